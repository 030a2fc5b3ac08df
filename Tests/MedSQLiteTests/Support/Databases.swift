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
        try await database.openPatiently()
        try await database.migrate()
        let value = try await body(database)
        await database.closeToTheEnd()
        return value
    } catch {
        await database.closeToTheEnd()
        throw error
    }
}

extension SQLiteDatabase {
    /// Opens it, again and again for a minute while another one of the same process is still being closed.
    func openPatiently() async throws(MedStorage.DatabaseError) {
        let limit = ContinuousClock.now + .seconds(60)
        while true {
            do throws(MedStorage.DatabaseError) {
                try await self.open()
                return
            } catch {
                guard error.description.contains("already open in this process"), ContinuousClock.now < limit else {
                    throw error
                }
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Closes it, and waits until that is done: `close()` itself gives up after two seconds, while the log is still
    /// being copied.
    func closeToTheEnd() async {
        for _ in 0..<30 {
            let start = ContinuousClock.now
            await self.close()
            // It says nothing, but one that gave up has taken so long; the next one is done after it.
            if ContinuousClock.now - start < .milliseconds(1900) { return }
        }
    }

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
            try await self.openPatiently()
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
