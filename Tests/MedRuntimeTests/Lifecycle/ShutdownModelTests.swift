// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedRuntime

/// The model that `make check-model` tries in every order has the transitions of the code, and the code those of the model.
@Suite struct ShutdownModelTests {
    /// A line of the model's table.
    struct Transition: Hashable {
        let from: String
        let event: String
        let condition: String
        let to: String
        let action: String
    }

    struct Event: Sendable {
        let name: String
        var trigger: ShutdownTrigger?
        let happen: @Sendable (inout ShutdownSequence) -> ShutdownSequence.Action
    }

    static let triggers: [ShutdownTrigger] = [.sigterm, .sigint, .uncaughtException, .unhandledRejection]
    /// What may have asked for the stop so far, in order, without having ended it at once.
    static let histories: [[ShutdownTrigger]] =
        triggers.map { [$0] }
        + triggers.flatMap { first in triggers.map { [first, $0] } }.filter { !$0.allSatisfy(\.isSignal) }
    static let events =
        [
            Event(name: "started") { $0.started() },
            Event(name: "drainDelayOver") { $0.drainDelayOver() },
            Event(name: "idle") { $0.idle() },
            Event(name: "graceOver") { $0.graceOver() },
            Event(name: "cleanedUp") { $0.cleanedUp() },
            Event(name: "deadlineOver") { $0.deadlineOver() },
        ] + triggers.map { trigger in Event(name: "triggered", trigger: trigger) { $0.triggered(by: trigger) } }

    private let model: String

    init() throws {
        var root = URL(filePath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        self.model = try String(contentsOf: root.appending(path: "Models/shutdown.pml"), encoding: .utf8)
    }

    /// A sequence that has come to `phase` after these triggers.
    static func sequence(in phase: Phase, after history: [ShutdownTrigger]) -> ShutdownSequence {
        var sequence = ShutdownSequence.starting
        if phase == .serving { _ = sequence.started() }
        for trigger in history { _ = sequence.triggered(by: trigger) }
        if [.finishing, .cancelling, .cleaningUp].contains(phase) { _ = sequence.drainDelayOver() }
        if phase == .cancelling { _ = sequence.graceOver() }
        if phase == .cleaningUp { _ = sequence.idle() }
        if phase == .stopped { _ = sequence.deadlineOver() }
        return sequence
    }

    /// Whether the model's condition is true; nil if it is none that this test knows.
    static func isTrue(_ condition: String, of event: Event, after history: [ShutdownTrigger]) -> Bool? {
        let isSignal = event.trigger?.isSignal
        switch condition {
        case "always": return true
        case "exception": return isSignal == false
        case "firstSignal": return isSignal == true && !history.contains(where: \.isSignal)
        case "secondSignal": return isSignal == true && history.contains(where: \.isSignal)
        case "sawException": return history.contains { !$0.isSignal }
        case "sawNoException": return history.allSatisfy(\.isSignal)
        default: return nil
        }
    }

    private func transitions() throws -> [Transition] {
        let begin = try #require(self.model.range(of: "/* transitions:begin */"))
        let end = try #require(self.model.range(of: "/* transitions:end */"))
        var transitions: [Transition] = []
        for line in self.model[begin.upperBound..<end.lowerBound].split(separator: "\n") {
            let line = line.trimmingCharacters(in: .whitespaces)
            guard !line.isEmpty else { continue }
            let match = try #require(
                line.wholeMatch(of: /[TN]\((\w+), (\w+), (\w+), (\w+), (\w+(?:\([0-9]+\))?)\)/),
                "The table has a line of another form: \(line)"
            )
            let (_, from, event, condition, to, action) = match.output
            transitions.append(
                Transition(
                    from: String(from),
                    event: String(event),
                    condition: String(condition),
                    to: String(to),
                    action: String(action)
                )
            )
        }
        return transitions
    }

    /// The model's name of each phase: its raw value stands beside it.
    private func phaseNames() throws -> [Phase: String] {
        var names: [Phase: String] = [:]
        for value in UInt8(0)... {
            guard let phase = Phase(rawValue: value) else { break }
            let name = phase.description.split(separator: "_").enumerated()
                .map { $0.offset == 0 ? String($0.element) : $0.element.capitalized }.joined()
            #expect(self.model.contains("\n#define \(name) \(value)\n"))
            names[phase] = name
        }
        return names
    }

    @Test func `the model answers every event in every phase as the code does, and knows no other transition`() throws {
        let transitions = try self.transitions()
        let names = try self.phaseNames()
        #expect(Set(transitions).count == transitions.count)
        var used: Set<Transition> = []
        for phase in names.keys {
            for history in phase.isShuttingDown ? Self.histories : [[]] {
                for event in Self.events {
                    var sequence = Self.sequence(in: phase, after: history)
                    #expect(sequence.phase == phase)
                    let action = event.happen(&sequence)
                    let candidates = transitions.filter {
                        $0.from == names[phase] && $0.event == event.name
                            && Self.isTrue($0.condition, of: event, after: history) ?? true
                    }
                    let what = "\(event.name) \(event.trigger?.rawValue ?? "") in \(phase) after \(history)"
                    #expect(candidates.count == 1, "The table has \(candidates.count) transitions for \(what)")
                    for transition in candidates {
                        #expect(Self.isTrue(transition.condition, of: event, after: history) != nil)
                        #expect(transition.to == names[sequence.phase], "\(what)")
                        #expect(transition.action == "\(action)", "\(what)")
                        used.insert(transition)
                    }
                }
            }
        }
        let unused = transitions.filter { !used.contains($0) }
        #expect(unused.isEmpty, "The code has no such transitions")
    }

    @Test func `the model's triggers have the names of the code's`() {
        let names = Self.triggers.map(\.rawValue).joined(separator: ", ")
        #expect(self.model.contains("mtype = { \(names), nobody };"))
    }
}
