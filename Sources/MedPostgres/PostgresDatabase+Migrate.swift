// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Logging
public import MedStorage
import Synchronization

extension PostgresDatabase {
    /// The key of the advisory lock: the first eight bytes of "medbuilder" as a number.
    private static let lockKey: Int64 = 0x6d65_6462_7569_6c64
    /// How long a step waits for a lock, with all that would like to use the table behind it.
    private static let lockTimeout = Duration.seconds(5)
    /// How often a step is tried that got no lock.
    private static let attempts = 5

    public func migrationStatus() async throws(DatabaseError) -> MigrationStatus {
        try self.migrations.status(try await self.applied(mayLack: true), in: .postgres)
    }

    @discardableResult
    public func migrate(to version: Int?) async throws(DatabaseError) -> MigrationReport {
        let report = try await self.starting { () async throws(DatabaseError) in
            // A look first: a start with nothing to do does not wait for others.
            let applied = try await self.applied(mayLack: true)
            if try self.migrations.next(after: applied, to: version, in: .postgres) == nil, !applied.isEmpty {
                return MigrationReport(applied: 0, version: applied.count)
            }
            let connection = try await self.openDirect()
            defer { connection.close() }
            guard !connection.isPooled else {
                throw DatabaseError(
                    code: .unsupported,
                    description:
                        "Database '\(self.location.name)' is behind a pooler, where no lock lasts. Name the server itself by "
                        + "DATABASE_DIRECT_URL.")
            }
            if self.direct != nil { try await self.requireSameDatabase(connection) }
            return try await self.migrate(on: connection, to: version)
        }
        if report.version >= self.migrations.version { self.becomeReady() }
        return report
    }

    /// A way past the pooler that leads elsewhere would migrate somebody else's database.
    private func requireSameDatabase(_ direct: PostgresConnection) async throws(DatabaseError) {
        let question: Statement = "SELECT current_database()::text, pg_postmaster_start_time()"
        let here = try await direct.query(question)
        let pooled = try await self.withPooled { connection throws(DatabaseError) in
            try await connection.query(question)
        }
        guard here != pooled else { return }
        throw DatabaseError(
            code: .unsupported,
            description: "DATABASE_DIRECT_URL leads to another database than DATABASE_URL does. Nothing was migrated.")
    }

    /// Holds the lock for as long as the connection, which nobody else uses.
    private func migrate(
        on connection: PostgresConnection, to version: Int?
    ) async throws(DatabaseError) -> MigrationReport {
        // Asked for again and again: one who waits for it within a statement holds up others' `CREATE INDEX CONCURRENTLY`.
        while try await !self.takeLock(connection) {
            try self.checkInterruption()
            do { try await Task.sleep(for: .milliseconds(100)) } catch { throw self.interrupted }
        }
        try await connection.command(
            "SET lock_timeout = \(Int(Self.lockTimeout / .milliseconds(1))); SET statement_timeout = 0")
        try await connection.command(Schema.create)
        var count = 0
        while true {
            let applied = try await Schema.applied(connection)
            guard let next = try self.migrations.next(after: applied, to: version, in: .postgres) else {
                return MigrationReport(applied: count, version: applied.count)
            }
            try await self.apply(next, on: connection)
            count += 1
        }
    }

    private func takeLock(_ connection: PostgresConnection) async throws(DatabaseError) -> Bool {
        let statement: Statement = "SELECT pg_try_advisory_lock(\(Self.lockKey))"
        return try await connection.run(statement).rows(database: connection.name).first?.decode(0) ?? false
    }

    /// Runs one step; again, after a pause, when it got no lock in time.
    private func apply(_ migration: Migration, on connection: PostgresConnection) async throws(DatabaseError) {
        for attempt in 1... {
            try self.checkInterruption()
            do throws(DatabaseError) {
                return try await self.applyOnce(migration, on: connection)
            } catch {
                if migration.isTransactional, connection.transactionStatus != PQTRANS_IDLE {
                    // The error that counts is the one before it.
                    _ = try? await connection.command("ROLLBACK")
                }
                guard error.code == .locked || error.isRepeatable, attempt < Self.attempts else {
                    throw DatabaseError(
                        code: error.code,
                        description: "Migration \(migration.version) '\(migration.name)' "
                            + "\(error.code == .outcomeUnknown ? "may be done or not" : "failed"): \(error.description)",
                        sqlState: error.sqlState)
                }
                do {
                    try await Task.sleep(for: .milliseconds(100 << attempt) * Double.random(in: 0.5...1))
                } catch { throw self.interrupted }
            }
        }
    }

    private func applyOnce(_ migration: Migration, on connection: PostgresConnection) async throws(DatabaseError) {
        if migration.isTransactional {
            try await connection.command("BEGIN")
        } else {
            try await self.dropInvalidIndexes(of: migration, on: connection)
        }
        for statement in migration.statements(for: .postgres) {
            try self.checkInterruption()
            // A migration may take as long as it takes; the table that it locks is another matter.
            try await connection.command(statement, limit: .seconds(24 * 3600))
            guard !migration.isTransactional || connection.transactionStatus == PQTRANS_INTRANS else {
                throw .transactionControl(database: connection.name)
            }
        }
        if !migration.isTransactional, let index = try await self.invalidIndexes(of: migration, on: connection).first {
            throw DatabaseError(
                code: .constraint,
                description:
                    "Index \(index) of database '\(connection.name)' was not built to its end, and is of no use.")
        }
        // A step made from a dump leaves no schema to look for our own table in.
        try await connection.command("RESET search_path")
        let record: Statement = """
            INSERT INTO medbuilder_migrations (version, name, checksum, min_compatible)
            VALUES (\(migration.version), \(migration.name), \(migration.checksum(for: .postgres)), \(migration.minCompatible))
            """
        _ = try await connection.run(record, isAlone: !migration.isTransactional)
        if migration.isTransactional { _ = try await connection.commit() }
    }

    /// What an attempt that was given up has left behind: `CREATE INDEX CONCURRENTLY` leaves an index that is kept up to date and never used, and
    /// `IF NOT EXISTS` takes it for one (PostgreSQL, CREATE INDEX, "Building Indexes Concurrently").
    private func dropInvalidIndexes(
        of migration: Migration, on connection: PostgresConnection
    ) async throws(DatabaseError) {
        for index in try await self.invalidIndexes(of: migration, on: connection) {
            self.logger.warning(
                "Index dropped that was not built to its end", metadata: ["migration.version": "\(migration.version)"])
            try await connection.command("DROP INDEX CONCURRENTLY IF EXISTS \(index)")
        }
    }

    /// The invalid indexes whose names are in the statements of a step, quoted and with their schema.
    private func invalidIndexes(
        of migration: Migration, on connection: PostgresConnection
    ) async throws(DatabaseError) -> [String] {
        let statement: Statement = """
            SELECT class.relname::text, quote_ident(space.nspname) || '.' || quote_ident(class.relname)
            FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
                JOIN pg_namespace AS space ON space.oid = class.relnamespace
            WHERE NOT indisvalid
            """
        let text = migration.statements(for: .postgres).joined(separator: "\n").lowercased()
        var indexes: [String] = []
        for row in try await connection.query(statement) {
            let name: String = try row.decode(0)
            if text.contains(name.lowercased()) { indexes.append(try row.decode(1)) }
        }
        return indexes
    }

    private func checkInterruption() throws(DatabaseError) {
        if self.state.withLock({ $0.isInterrupted }) || Task.isCancelled { throw self.interrupted }
    }

    private var interrupted: DatabaseError {
        DatabaseError(code: .cancelled, description: "The migration of database '\(self.location.name)' was cancelled.")
    }
}
