// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why nobody can say how many file descriptors are open.
struct FileDescriptorError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    enum Code { case unavailable, unanswered }

    /// Branch on this.
    let code: Code
    /// Log this.
    let description: String

    static func unavailable(problem: String) -> Self {
        Self(
            code: .unavailable,
            description: "The open file descriptors cannot be counted (\(problem)). Mount /proc in the container."
        )
    }

    static let unanswered = Self(
        code: .unanswered,
        description: "The open file descriptors are still being counted since the check before. "
            + "Look for what keeps the machine busy."
    )
}
