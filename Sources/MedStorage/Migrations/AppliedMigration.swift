// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A step that a database remembers: a row of its table ``MigrationPlan/tableName``.
public struct AppliedMigration: Sendable, Equatable {
    /// The place in the sequence.
    public let version: Int
    /// The name at the time.
    public let name: String
    /// ``Migration/checksum(for:)`` of what was run.
    public let checksum: String
    /// The oldest program that works with the result, see ``Migration/minCompatible``.
    public let minCompatible: Int
    /// When it was committed, by the clock of whoever did it; nil if what the table says is no moment.
    public let appliedAt: SQLTimestamp?

    /// A row as a driver read it.
    public init(version: Int, name: String, checksum: String, minCompatible: Int, appliedAt: SQLTimestamp?) {
        self.version = version
        self.name = name
        self.checksum = checksum
        self.minCompatible = minCompatible
        self.appliedAt = appliedAt
    }
}
