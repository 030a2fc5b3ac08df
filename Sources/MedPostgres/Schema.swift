// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import MedStorage

/// What a database remembers of its migrations.
enum Schema {
    static let create = """
        CREATE TABLE IF NOT EXISTS \(MigrationPlan.tableName) (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, min_compatible INTEGER NOT NULL,
            applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
        """

    private static let select: Statement =
        "SELECT version, name, checksum, min_compatible, applied_at FROM medbuilder_migrations ORDER BY version"

    /// - Parameter mayLack: whether a database without the table is one without migrations.
    static func applied(
        _ connection: PostgresConnection, mayLack: Bool = false, limit: Duration? = nil
    ) async throws(DatabaseError) -> [AppliedMigration] {
        let rows: [Row]
        do throws(DatabaseError) {
            rows = try await connection.run(self.select, limit: limit).rows(database: connection.name)
        } catch {
            guard error.sqlState == SQLState.undefinedTable else { throw error }
            if mayLack { return [] }
            throw DatabaseError(
                code: .olderSchema,
                description:
                    "Database '\(connection.name)' has no table \(MigrationPlan.tableName). Run `medbuilder migrate`, or restore it from "
                    + "a backup.",
                sqlState: error.sqlState)
        }
        var applied: [AppliedMigration] = []
        for row in rows {
            applied.append(
                AppliedMigration(
                    version: try row.decode("version"), name: try row.decode("name"),
                    checksum: try row.decode("checksum"),
                    minCompatible: try row.decode("min_compatible"), appliedAt: try row.decode("applied_at")))
        }
        return applied
    }
}
