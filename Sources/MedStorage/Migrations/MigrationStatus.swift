// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What was applied to a database, and what it lacks.
public struct MigrationStatus: Sendable {
    /// The version of the schema that the program expects.
    public let expected: Int
    /// What was applied, in order; more than the program knows if a newer one was here.
    public let applied: [AppliedMigration]
    /// What is lacking, in order.
    public let pending: [Migration]

    /// The version of the schema.
    public var version: Int { self.applied.count }

    /// A status as a driver found it.
    public init(expected: Int, applied: [AppliedMigration], pending: [Migration]) {
        self.expected = expected
        self.applied = applied
        self.pending = pending
    }
}
