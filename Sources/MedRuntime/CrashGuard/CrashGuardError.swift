// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Why traps cannot be contained.
public struct CrashGuardError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case installedTwice, system }
        private let value: Value

        /// There is a guard already; signals belong to the whole process.
        public static let installedTwice = Code(value: .installedTwice)
        /// The system refused what the guard needs.
        public static let system = Code(value: .system)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    static var installedTwice: Self {
        Self(code: .installedTwice, description: "A crash guard is installed already; a process can have one.")
    }

    static func system(_ what: String, error: Int32) -> Self {
        Self(code: .system, description: "\(what): \(String(cString: strerror(error))).")
    }
}
