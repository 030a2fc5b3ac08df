// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import GRDB
import MedStorage

/// What a database remembers of its migrations, and the next step.
enum Schema {
    static func applied(_ db: GRDB.Database) throws -> [AppliedMigration] {
        try GRDB.Row.fetchAll(
            db,
            sql:
                "SELECT version, name, checksum, min_compatible, applied_at FROM \(MigrationPlan.tableName) ORDER BY version"
        ).map { row in
            AppliedMigration(
                version: try row.decode(forColumn: "version"),
                name: try row.decode(forColumn: "name"),
                checksum: try row.decode(forColumn: "checksum"),
                minCompatible: try row.decode(forColumn: "min_compatible"),
                appliedAt: (row["applied_at"] as String?).flatMap(SQLTimestamp.init)
            )
        }
    }

    static func verify(_ plan: MigrationPlan, _ db: GRDB.Database, path: String) throws {
        let applied = try self.applied(db)
        do {
            try plan.verify(applied, in: .sqlite)
        } catch {
            throw error.about(path: path)
        }
    }

    static func status(_ plan: MigrationPlan, _ db: GRDB.Database, path: String) throws -> MigrationStatus {
        let applied = try self.applied(db)
        do {
            return try plan.status(applied, in: .sqlite)
        } catch {
            throw error.about(path: path)
        }
    }

    /// Applies what is pending, each step in a transaction of its own that reads again what is there: another process may be at it too.
    ///
    /// Ends early, between two statements, once `patience` was told to stop.
    static func migrate(
        _ plan: MigrationPlan, to target: Int?, _ db: GRDB.Database, path: String, patience: Patience
    ) throws -> MigrationReport {
        var count = 0
        // Looked at without a lock first: a start with nothing to do does not queue up behind writers.
        while let next = try self.next(plan, to: target, db, path: path) {
            try db.inTransaction(.immediate) {
                guard try self.next(plan, to: target, db, path: path)?.version == next.version else { return .rollback }
                for statement in next.statements(for: .sqlite) {
                    guard !patience.isStopped else {
                        throw DatabaseError(
                            code: .cancelled, description: "The migration of database '\(path)' was cancelled.")
                    }
                    try db.execute(sql: statement)
                }
                try db.execute(
                    sql: """
                        INSERT INTO \(MigrationPlan.tableName) (version, name, checksum, min_compatible, applied_at)
                        VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
                        """,
                    arguments: [next.version, next.name, next.checksum(for: .sqlite), next.minCompatible]
                )
                count += 1
                return .commit
            }
        }
        return MigrationReport(applied: count, version: try self.applied(db).count)
    }

    private static func next(
        _ plan: MigrationPlan, to target: Int?, _ db: GRDB.Database, path: String
    ) throws -> Migration? {
        let applied = try self.applied(db)
        do {
            return try plan.next(after: applied, to: target, in: .sqlite)
        } catch {
            throw error.about(path: path)
        }
    }
}
