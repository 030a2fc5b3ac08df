// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a check or a group could not be registered.
public struct HealthCheckError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case duplicateName, invalidName, unknownDependency, cycle, invalidValue }
        private let value: Value

        /// The name is taken.
        public static let duplicateName = Code(value: .duplicateName)
        /// The name has characters that a name may not have.
        public static let invalidName = Code(value: .invalidName)
        /// It depends on a check that is not registered.
        public static let unknownDependency = Code(value: .unknownDependency)
        /// It would depend on itself, by way of other checks or directly.
        public static let cycle = Code(value: .cycle)
        /// A property has a value that makes no sense.
        public static let invalidValue = Code(value: .invalidValue)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    static func duplicateName(_ name: String) -> Self {
        Self(
            code: .duplicateName,
            description: "There is a '\(name)' already: remove it first, or choose another name."
        )
    }

    static func reservedName(_ name: String) -> Self {
        Self(
            code: .duplicateName,
            description: "'\(name)' is a member of /ready that is no check: choose another name."
        )
    }

    static func invalidName(_ name: String) -> Self {
        Self(
            code: .invalidName,
            description: "'\(name)' is no name for a check or a group: "
                + "a name has one to 64 letters of ASCII, digits, '-', '_' and '.', and is not '.' or '..'."
        )
    }

    static func unknownDependency(_ dependency: String, of name: String) -> Self {
        Self(
            code: .unknownDependency,
            description: "The check '\(name)' depends on '\(dependency)', which is not registered: register that first."
        )
    }

    static func cycle(_ name: String) -> Self {
        Self(
            code: .cycle,
            description: "The check '\(name)' would depend on itself: nothing of the circle could ever run."
        )
    }

    static func invalidValue(of name: String, _ rule: String) -> Self {
        Self(code: .invalidValue, description: "'\(name)' cannot be registered: \(rule).")
    }
}
