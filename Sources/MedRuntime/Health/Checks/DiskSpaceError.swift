// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why nothing is known about the room on a file system.
struct DiskSpaceError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    enum Code { case unavailable, unmeasured, unanswered }

    /// Branch on this.
    let code: Code
    /// Log this. It names the folder.
    let description: String

    static func unavailable(_ folder: String, problem: String) -> Self {
        Self(
            code: .unavailable,
            description: "The folder \(folder) cannot be looked at (\(problem)). "
                + "Make sure that it exists and is mounted, and that the server may look at it."
        )
    }

    static func unmeasured(_ folder: String) -> Self {
        Self(
            code: .unmeasured,
            description: "The file system of \(folder) does not say how much room it has. "
                + "Use a folder on a disk or a tmpfs."
        )
    }

    static func unanswered(_ folder: String?) -> Self {
        Self(
            code: .unanswered,
            description: "The file system \(folder.map { "of \($0) " } ?? "")has not answered since the check before. "
                + "If it is a network mount, its server may be gone."
        )
    }
}
