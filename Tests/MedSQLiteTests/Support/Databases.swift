// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedSQLite
import MedStorage
import Testing

/// A database as most tests want it: quiet, and impatient with locks.
func makeDatabase(
    _ path: String,
    migrations: MigrationPlan = .medBuilder,
    createParentFolders: Bool = false,
    busyTimeout: Duration = .milliseconds(50),
    startTimeout: Duration = .milliseconds(50),
    observer: (any DatabaseObserver)? = nil
) -> SQLiteDatabase {
    SQLiteDatabase(
        path: path,
        createParentFolders: createParentFolders,
        migrations: migrations,
        busyTimeout: busyTimeout,
        startTimeout: startTimeout,
        observer: observer,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
}

/// Runs `body` with a database that is open and migrated, and closes it.
func withDatabase<Value>(
    _ path: String,
    migrations: MigrationPlan = .medBuilder,
    busyTimeout: Duration = .milliseconds(50),
    _ body: (SQLiteDatabase) async throws -> Value
) async throws -> Value {
    let database = makeDatabase(path, migrations: migrations, busyTimeout: busyTimeout)
    do {
        try await database.open()
        try await database.migrate()
        let value = try await body(database)
        await database.close()
        return value
    } catch {
        await database.close()
        throw error
    }
}

extension SQLiteDatabase {
    func insert(_ value: String) async throws {
        try await self.transaction { transaction in
            try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\(value))")
        }
    }

    func rowCount() async throws -> Int64? {
        try await self.query("SELECT count(*) AS rows FROM drill_rows").first?["rows"]?.integer
    }

    /// The code with which the database can neither be opened nor made to fit.
    func startFailure() async -> MedStorage.DatabaseError? {
        do {
            try await self.open()
            try await self.migrate()
            return nil
        } catch {
            return error
        }
    }
}

/// The code of the database error that `body` throws; nil if it throws none.
func code(_ body: () async throws -> Void) async -> MedStorage.DatabaseError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? MedStorage.DatabaseError)?.code
    }
}
