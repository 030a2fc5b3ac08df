// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A value that can identify a patient.
///
/// It prints as `‹phi›` wherever it ends up: a log line, an error, `dump`, a mirror. The only way to the value is
/// ``disclose(for:)``, a name that is easy to find in review:
///
/// ```swift
/// let name = PHI("Ada Lovelace")
/// print("admitted \(name)")                    // admitted ‹phi›
/// let label = name.disclose(for: .treatment)   // "Ada Lovelace"
/// ```
///
/// What it leaves out is the point of it. It is not `Codable`, so no encoder writes it; not `Hashable`, so no dictionary
/// shows it as a key and no set tells two of them apart; not `Comparable`, so no sorting orders patients by accident; not
/// expressible by a literal and not made from text, so what is protected was protected on purpose. Neither a metric's
/// label, nor a span's attribute, nor a log's metadata is made of it: that does not compile, and in an interpolation only
/// the mark is left. Tests/MedPrivacyTests shows each of these to the compiler.
///
/// It guards against mistakes, not against code that means harm: memory is not encrypted, and whoever may call
/// ``disclose(for:)`` has the value.
public struct PHI<Value: Sendable>: Sendable {
    private let value: Value

    /// Puts a value under protection.
    public init(_ value: Value) { self.value = value }

    /// The protected value, for a purpose HIPAA permits.
    public func disclose(for purpose: Purpose) -> Value { self.value }

    /// A value made of this one, which is protected as well.
    ///
    /// What `transform` throws is not protected: let its errors not quote what it was given.
    public func map<Mapped: Sendable, Failure: Error>(
        _ transform: (Value) throws(Failure) -> Mapped
    ) throws(Failure) -> PHI<Mapped> {
        PHI<Mapped>(try transform(self.value))
    }
}

extension PHI where Value: Equatable {
    /// Whether both protect the same value.
    ///
    /// A method and not `==`, because the answer says something about a patient: it should be as easy to find as a
    /// disclosure. It takes longer the more of two texts agree; compare no secrets with it.
    public func hasSameValue(as other: PHI) -> Bool { self.value == other.value }
}

extension PHI: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `‹phi›`
    public var description: String { "‹phi›" }
    /// `‹phi›`
    public var debugDescription: String { "‹phi›" }
    /// Shows no value, and not even of what kind it is.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
