// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// All steps that this program knows, in order: what its database should be.
///
/// A database has one plan: two programs with plans of their own, or an application beside MedBuilder's, need a database each.
///
/// It decides what a database lacks and whether the two fit; drivers only run what it says.
public struct MigrationPlan: Sendable {
    /// The table in which a database remembers what was applied to it.
    public static let tableName = "medbuilder_migrations"

    /// The steps; the one at index `i` has version `i + 1`.
    public let migrations: [Migration]

    /// The version of the schema that this program expects.
    public var version: Int { self.migrations.count }

    /// Accepts steps that count up from 1 without a gap.
    public init(_ migrations: [Migration]) throws(DatabaseError) {
        for (index, migration) in migrations.enumerated() {
            guard migration.version == index + 1 else {
                throw DatabaseError(
                    code: .invalidMigrations,
                    description:
                        "Migration '\(migration.name)' has version \(migration.version) where \(index + 1) is due; "
                        + "versions count up from 1 without a gap."
                )
            }
            guard (1...migration.version).contains(migration.minCompatible) else {
                throw DatabaseError(
                    code: .invalidMigrations,
                    description: "Migration \(migration.version) '\(migration.name)' is compatible with version "
                        + "\(migration.minCompatible); that must be between 1 and its own."
                )
            }
        }
        self.migrations = migrations
    }

    /// Takes steps of which a test shows that they form a sequence.
    init(proven migrations: [Migration]) {
        self.migrations = migrations
    }

    /// The steps that a database still lacks, given what was applied to it.
    ///
    /// Refuses a database whose history is not ours: one with a gap or a changed step, or one that is too new.
    public func pending(
        after applied: [AppliedMigration], in dialect: SQLDialect
    ) throws(DatabaseError) -> ArraySlice<Migration> {
        for (index, row) in applied.enumerated() {
            guard row.version == index + 1 else {
                throw DatabaseError(
                    code: .changedMigration,
                    description:
                        "Migration \(index + 1) is missing from the table \(Self.tableName), although \(row.version) was applied. "
                        + "Restore the database from a backup."
                )
            }
            if index < self.version {
                guard row.checksum == self.migrations[index].checksum(for: dialect) else {
                    throw DatabaseError(
                        code: .changedMigration,
                        description:
                            "Migration \(row.version) '\(row.name)' was applied in another form than this program has it. "
                            + "Run the program that belongs to the database; a migration must not be changed once it is released."
                    )
                }
            } else {
                guard row.minCompatible <= self.version else {
                    throw DatabaseError(
                        code: .newerSchema,
                        description:
                            "The schema is at version \(applied.count), and its migration \(row.version) '\(row.name)' needs a "
                            + "program of version \(row.minCompatible) or later; this one has version \(self.version). "
                            + "Run the newer program, or restore a backup from before the migration."
                    )
                }
            }
        }
        return self.migrations.dropFirst(applied.count)
    }

    /// Makes sure that nothing is lacking either.
    public func verify(_ applied: [AppliedMigration], in dialect: SQLDialect) throws(DatabaseError) {
        guard try self.pending(after: applied, in: dialect).isEmpty else {
            throw DatabaseError(
                code: .olderSchema,
                description:
                    "The schema is at version \(applied.count), and this program needs version \(self.version). "
                    + "Run `medbuilder migrate`."
            )
        }
    }

    /// The next step on the way to a version; nil when the database is there.
    ///
    /// Both drivers ask this in the transaction of each step, since another process may have done it meanwhile.
    ///
    /// - Parameters:
    ///   - applied: What the database remembers.
    ///   - target: The version to end at; this program's own if there is none.
    ///   - dialect: Whose SQL it speaks.
    /// - Throws: as ``pending(after:in:)``; `.invalidMigrations` if the target is unknown, or below where the database is.
    public func next(
        after applied: [AppliedMigration], to target: Int?, in dialect: SQLDialect
    ) throws(DatabaseError) -> Migration? {
        let pending = try self.pending(after: applied, in: dialect)
        guard let target else { return pending.first }
        guard (0...self.version).contains(target) else {
            throw DatabaseError(
                code: .invalidMigrations,
                description: "There is no version \(target) of the schema; this program knows 1 to \(self.version).")
        }
        guard target >= applied.count else {
            throw DatabaseError(
                code: .invalidMigrations,
                description:
                    "The schema is at version \(applied.count), and there is no way down to \(target): a newer step puts right what an "
                    + "older one got wrong, or a backup is restored.")
        }
        return applied.count < target ? pending.first : nil
    }

    /// Where a database is, as ``MigrationStatus``.
    public func status(
        _ applied: [AppliedMigration], in dialect: SQLDialect
    ) throws(DatabaseError) -> MigrationStatus {
        MigrationStatus(
            expected: self.version, applied: applied, pending: Array(try self.pending(after: applied, in: dialect)))
    }
}
