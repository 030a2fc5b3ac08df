// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why work could not be begun.
public struct LifecycleError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case shuttingDown }
        private let value: Value

        /// The process is shutting down and takes no more work.
        public static let shuttingDown = Code(value: .shuttingDown)
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
}
