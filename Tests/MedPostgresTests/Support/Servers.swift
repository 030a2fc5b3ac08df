// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedPostgres
import MedStorage
import MedTesting
import Testing

/// The server that most tests share, each with a database of its own. It ends with the process.
actor SharedServer {
    static let shared = SharedServer()

    private var starting: Task<PostgresServer, any Error>?

    func server() async throws -> PostgresServer {
        if self.starting == nil {
            self.starting = Task {
                let folder = FileManager.default.temporaryDirectory.appending(path: "medpostgres-\(UUID().uuidString)")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                return try await PostgresServer(in: folder)
            }
        }
        guard let starting else { throw HarnessError(.system, "No server.") }
        return try await starting.value
    }

    /// A new database on the server that `MED_TEST_POSTGRES_URL` names, or on the shared one.
    func createDatabase() async throws -> String { try await self.server().createDatabase() }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

func makeDatabase(
    _ url: String,
    direct: String? = nil,
    migrations: MigrationPlan = .medBuilder,
    configuration: PoolConfiguration = PoolConfiguration(),
    limits: PostgresLimits = PostgresLimits()
) throws -> PostgresDatabase {
    PostgresDatabase(
        location: try #require(PostgresLocation(url: url)),
        direct: try direct.map { try #require(PostgresLocation(url: $0)) },
        migrations: migrations,
        configuration: configuration,
        limits: limits,
        logger: quiet
    )
}

/// Runs `body` with a database that is open and migrated, and closes it.
func withDatabase<Value>(
    _ url: String? = nil,
    direct: String? = nil,
    migrations: MigrationPlan = .medBuilder,
    configuration: PoolConfiguration = PoolConfiguration(),
    limits: PostgresLimits = PostgresLimits(),
    _ body: (PostgresDatabase) async throws -> Value
) async throws -> Value {
    let url = if let url { url } else { try await SharedServer.shared.createDatabase() }
    let database = try makeDatabase(
        url, direct: direct, migrations: migrations, configuration: configuration, limits: limits)
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

/// The code of the database error that `body` throws; nil if it throws none.
func code(_ body: () async throws -> Void) async -> DatabaseError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? DatabaseError)?.code
    }
}
