// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why work could not be begun.
public struct LifecycleError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case shuttingDown, trapped }
        private let value: Value

        /// The process is shutting down and takes no more work.
        public static let shuttingDown = Code(value: .shuttingDown)
        /// The work ended in a runtime trap, which was contained.
        public static let trapped = Code(value: .trapped)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    /// The process is shutting down and takes no more work.
    public static let shuttingDown = Self(
        code: .shuttingDown,
        description: "The process is shutting down and takes no more work; another replica can do it."
    )

    /// The work ended in a runtime trap, which was contained.
    public static let trapped = Self(
        code: .trapped,
        description:
            "The work ended in a runtime trap, which was contained; the process finishes what else is in flight."
    )
}
