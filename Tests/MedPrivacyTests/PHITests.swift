// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedPrivacy
import Testing

@Suite struct PHITests {
    /// What must never be seen: every protected value below contains it.
    private static let secret = "Lovelace"
    private static let name = PHI("Ada Lovelace")

    private struct Patient {
        let name = PHITests.name
        let born: PHI<Int>? = PHI(1815)
        let friends = [PHITests.name, PHI("Lovelace, Byron")]
        let byRoom = ["12": PHITests.name]
    }

    private enum Event {
        case admitted(PHI<String>, ward: Int)
        case discharged(name: PHI<String>?)
    }

    private final class Chart {
        let patient = Patient()
        let log: [Event] = [.admitted(PHITests.name, ward: 3), .discharged(name: PHITests.name)]
        let pair = (PHITests.name, 1)
        lazy var late = PHITests.name
    }

    private struct Refusal: Error { let patient = PHITests.name }

    private struct LocalizedRefusal: LocalizedError {
        let patient = PHITests.name
        var errorDescription: String? { "No bed for \(self.patient)." }
        var failureReason: String? { String(describing: self.patient) }
    }

    // MARK: Printing

    @Test func `a value prints as its mark by every road`() {
        let phi = Self.name
        var printed = ""
        print(phi, terminator: "", to: &printed)
        var debugged = ""
        debugPrint(phi, terminator: "", to: &debugged)
        var dumped = ""
        dump(phi, to: &dumped)
        #expect(phi.description == "‹phi›")
        #expect(phi.debugDescription == "‹phi›")
        #expect("\(phi)" == "‹phi›")
        #expect(String(describing: phi) == "‹phi›")
        #expect(String(reflecting: phi) == "‹phi›")
        #expect(printed == "‹phi›")
        #expect(debugged == "‹phi›")
        #expect(dumped == "- ‹phi›\n")
        #expect("\(phi as Any)" == "‹phi›")
        #expect("\(phi as any Sendable)" == "‹phi›")
        #expect("\(phi as any CustomStringConvertible)" == "‹phi›")
        #expect(String(describing: phi as AnyObject).contains(Self.secret) == false)
    }

    @Test func `an optional one prints as an optional mark`() {
        let phi: PHI<String>? = Self.name
        #expect("\(phi as Any)" == "Optional(‹phi›)")
        #expect(String(describing: phi) == "Optional(‹phi›)")
        #expect(String(reflecting: phi) == "Optional(‹phi›)")
        #expect(String(describing: phi as PHI<String>??) == "Optional(Optional(‹phi›))")
    }

    @Test func `nested in arrays, dictionaries, tuples, structs and enums only the mark is left`() {
        #expect("\([Self.name, Self.name])" == "[‹phi›, ‹phi›]")
        #expect("\(["a": Self.name])" == #"["a": ‹phi›]"#)
        #expect("\((1, Self.name))" == "(1, ‹phi›)")
        #expect("\(Event.admitted(Self.name, ward: 3))" == "admitted(‹phi›, ward: 3)")
        #expect("\(Event.discharged(name: Self.name))" == "discharged(name: Optional(‹phi›))")
        #expect(
            "\(Patient())"
                == #"Patient(name: ‹phi›, born: Optional(‹phi›), friends: [‹phi›, ‹phi›], byRoom: ["12": ‹phi›])"#)
        #expect("\(PHI([Self.name]))" == "‹phi›")
        #expect("\(Result<PHI<String>, Refusal>.success(Self.name))" == "success(‹phi›)")
    }

    @Test func `a dump of a whole object graph shows marks and no value`() {
        var dumped = ""
        let chart = Chart()
        _ = chart.late
        dump(chart, to: &dumped)
        #expect(dumped.contains(Self.secret) == false)
        #expect(dumped.contains("1815") == false)
        #expect(dumped.components(separatedBy: "‹phi›").count - 1 >= 8)
    }

    /// Everything that mirrors lead to from a value.
    private func reachable(from value: Any, depth: Int = 0) -> [Any] {
        guard depth < 12 else { return [] }
        let mirror = Mirror(reflecting: value)
        var found: [Any] = [value]
        var next: Mirror? = mirror
        while let current = next {
            for child in current.children { found += self.reachable(from: child.value, depth: depth + 1) }
            next = current.superclassMirror
        }
        return found
    }

    @Test func `no walk through mirrors reaches the value`() {
        let chart = Chart()
        _ = chart.late
        let found = self.reachable(from: chart)
        #expect(found.count { $0 is PHI<String> } >= 8)
        #expect(found.contains { ($0 as? String)?.contains(Self.secret) == true } == false)
        #expect(found.contains { $0 as? Int == 1815 } == false)
        #expect(Mirror(reflecting: Self.name).children.isEmpty)
        #expect(Mirror(reflecting: Self.name).descendant("value") == nil)
    }

    @Test func `errors that carry one say nothing of it, bridged or not`() {
        let errors: [any Error] = [Refusal(), LocalizedRefusal()]
        for error in errors {
            let bridged = error as NSError
            let texts = [
                "\(error)", String(reflecting: error), error.localizedDescription, bridged.description,
                bridged.debugDescription, bridged.localizedDescription, "\(bridged.userInfo)",
                bridged.localizedFailureReason ?? "",
            ]
            for text in texts { #expect(text.contains(Self.secret) == false) }
        }
        #expect(LocalizedRefusal().localizedDescription == "No bed for ‹phi›.")
        #expect("\(Refusal())" == "Refusal(patient: ‹phi›)")
    }

    // MARK: The value

    @Test(arguments: Purpose.allCases)
    func `the value is disclosed for every purpose`(purpose: Purpose) {
        #expect(Self.name.disclose(for: purpose) == "Ada Lovelace")
    }

    @Test func `what is made of a protected value is protected`() {
        let length = Self.name.map(\.count)
        #expect("\(length)" == "‹phi›")
        #expect(length.disclose(for: .treatment) == 12)
        #expect(throws: Refusal.self) { try Self.name.map { _ throws(Refusal) -> Int in throw Refusal() } }
    }

    @Test func `two values are compared by name only`() {
        #expect(Self.name.hasSameValue(as: PHI("Ada Lovelace")))
        #expect(Self.name.hasSameValue(as: PHI("Ada")) == false)
        let protected: Any = Self.name
        #expect(protected is any Equatable == false)
        #expect(protected is AnyHashable == false)
        #expect(protected is any Encodable == false)
        #expect(protected is any Decodable == false)
        #expect(protected is any Comparable == false)
        #expect(protected is any LosslessStringConvertible == false)
        #expect(protected is any ExpressibleByStringLiteral == false)
    }

    @Test func `purposes have names of their own`() {
        #expect(Set(Purpose.allCases.map(\.name)).count == 20)
        #expect(Purpose.treatment.name == "treatment")
        #expect("\(Purpose.requiredByLaw)" == "requiredByLaw")
        #expect(Purpose.treatment != .payment)
    }
}
