// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedPostgres
import MedStorage
import MedTesting
import Synchronization
import Testing

/// The folder of the shared server.
private let leftover = Mutex<String?>(nil)

/// The databases that were made on a server of somebody else's.
private let guests = Mutex<[String]>([])

/// The server that most tests share, each with a database of its own: `MED_TEST_POSTGRES_URL`, where they may make and drop databases,
/// or one that ends with the process.
actor SharedServer {
    static let shared = SharedServer()

    private var starting: Task<PostgresServer, any Error>?

    func server() async throws -> PostgresServer {
        if self.starting == nil {
            self.starting = Task {
                let folder = FileManager.default.temporaryDirectory.appending(path: "medpostgres-\(UUID().uuidString)")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                // The server ends with the process, by a signal; its files have to go, too.
                leftover.withLock { $0 = folder.path }
                atexit { leftover.withLock { if let path = $0 { try? FileManager.default.removeItem(atPath: path) } } }
                // All tests at once, each with a pool of its own.
                return try await PostgresServer(in: folder, settings: ["max_connections": "500"])
            }
        }
        guard let starting else { throw HarnessError(.system, "No server.") }
        return try await starting.value
    }

    /// A new database on it.
    func createDatabase() async throws -> String {
        guard let url = ProcessInfo.processInfo.environment["MED_TEST_POSTGRES_URL"] else {
            return try await self.server().createDatabase()
        }
        let name = "medbuilder_test_\(UUID().uuidString.prefix(8).lowercased())"
        try await runTool("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "CREATE DATABASE \(name)", url])
        let isFirst = guests.withLock { names in
            names.append(name)
            return names.count == 1
        }
        if isFirst { atexit { dropGuests() } }
        var components = try #require(URLComponents(string: url))
        components.path = "/\(name)"
        return try #require(components.string)
    }
}

/// Leaves somebody else's server as it was.
private func dropGuests() {
    guard let url = ProcessInfo.processInfo.environment["MED_TEST_POSTGRES_URL"] else { return }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
        ["psql", "-X", "-q"]
        + guests.withLock { $0.flatMap { ["-c", "DROP DATABASE IF EXISTS \($0) WITH (FORCE)"] } } + [url]
    try? process.run()
    process.waitUntilExit()
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

func makeDatabase(
    _ url: String,
    direct: String? = nil,
    migrations: MigrationPlan = .medBuilder,
    configuration: PoolConfiguration = PoolConfiguration(acquireTimeout: .seconds(60)),
    limits: PostgresLimits = PostgresLimits(connect: .seconds(30)),
    observer: (any DatabaseObserver)? = nil
) throws -> PostgresDatabase {
    PostgresDatabase(
        location: try #require(PostgresLocation(url: url)),
        direct: try direct.map { try #require(PostgresLocation(url: $0)) },
        migrations: migrations,
        configuration: configuration,
        limits: limits,
        observer: observer,
        logger: quiet
    )
}

/// Runs `body` with a database that is open and migrated, and closes it.
func withDatabase<Value>(
    _ url: String? = nil,
    direct: String? = nil,
    migrations: MigrationPlan = .medBuilder,
    configuration: PoolConfiguration = PoolConfiguration(acquireTimeout: .seconds(60)),
    limits: PostgresLimits = PostgresLimits(connect: .seconds(30)),
    observer: (any DatabaseObserver)? = nil,
    _ body: (PostgresDatabase) async throws -> Value
) async throws -> Value {
    let url = if let url { url } else { try await SharedServer.shared.createDatabase() }
    let database = try makeDatabase(
        url, direct: direct, migrations: migrations, configuration: configuration, limits: limits,
        observer: observer)
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
