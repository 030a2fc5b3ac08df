// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why nothing is known about memory usage.
public struct MemoryUsageError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case unavailable }
        private let value: Value

        /// Neither a cgroup nor /proc says how much memory is in use.
        public static let unavailable = Code(value: .unavailable)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    static func unavailable(_ problems: [MemoryFileError]) -> Self {
        Self(
            code: .unavailable,
            description: "Memory usage is unknown: \(problems.map(\.description).joined(separator: "; ")). "
                + "Mount /proc in the container, or report this if it is mounted."
        )
    }
}
