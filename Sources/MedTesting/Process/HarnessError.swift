// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why the harness could not do what a test asked of it.
package struct HarnessError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    package enum Code: Sendable {
        /// Something that should have come did not come within ``TestPatience/seconds``.
        case nothingCame
        /// Nobody listens on that port.
        case refused
        /// The peer ended the connection properly, before what was expected had come.
        case closed
        /// The peer reset the connection, before what was expected had come.
        case reset
        /// What came is not HTTP or not JSON.
        case malformed
        /// The process ended before it did what was expected.
        case exited
        /// A system call or a tool failed.
        case system
    }

    /// Branch on this.
    package let code: Code
    /// Read this.
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// The failure of a system call, with the reason the system gives.
    static func system(_ call: String, _ number: Int32) -> Self {
        Self(.system, "\(call) failed: \(describe(errno: number))")
    }
}
