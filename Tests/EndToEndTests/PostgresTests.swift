// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Synchronization
import Testing

/// The server on PostgreSQL, and what it says and does when that is not well.
@Suite(.endToEnd) struct PostgresTests {
    /// What happens to the database, and what `/health` calls it.
    enum Fault: String, CaseIterable, Sendable {
        case stopped
        case killed
        case backendKilled
        case wrongPassword
        case droppedTable
        case readOnly
        case blackHole
        case tooManyConnections

        /// The word in `/health`; nil where it is over before anybody can look.
        var word: String? {
            switch self {
            case .stopped, .killed, .blackHole: "disconnected"
            case .backendKilled: nil
            case .wrongPassword, .droppedTable, .readOnly, .tooManyConnections: "error"
            }
        }
    }

    @Test(arguments: Fault.allCases)
    func `health tells what is wrong with the database, and the server is ready again soon after it is`(fault: Fault)
        async throws
    {
        let database = try await startPostgres()
        try await database.query("CREATE ROLE app LOGIN PASSWORD 'app'; GRANT CREATE ON SCHEMA public TO app")
        let relay = try RecordingRelay(to: database.port)
        let url = database.url("postgres", user: "app", password: "app", port: relay.port)
        let server = try await drillServer(["DATABASE_URL": url, "DATABASE_POOL_SIZE": "3"])
        #expect(try await server.post("/_drill/transaction?value=before").status == 201)

        switch fault {
        case .stopped: try await database.stop()
        case .killed: try await database.stop(.kill)
        case .backendKilled:
            let process = try await database.query(
                "SELECT min(pid) FROM pg_stat_activity WHERE usename = 'app'")
            database.signal(backend: try #require(Int32(process)), SIGKILL)
        case .wrongPassword:
            try await database.query("ALTER ROLE app PASSWORD 'other'")
            try await self.endSessions(database)
        case .droppedTable:
            try await database.query("ALTER TABLE medbuilder_migrations RENAME TO gone")
        case .readOnly:
            try await database.query("ALTER ROLE app SET default_transaction_read_only = on")
            try await self.endSessions(database)
        case .blackHole: relay.swallow(true)
        case .tooManyConnections:
            try await database.query("ALTER ROLE app CONNECTION LIMIT 0")
            try await self.endSessions(database)
        }
        if let word = fault.word {
            try await eventually("the database is \(word)") {
                try await databaseStatus(server) == word
            }
            #expect(try await server.get("/ready").status == 503)
            #expect(try await server.get("/live").status == 200)
            #expect(try await server.get("/health").status == (word == "error" ? 503 : 200))
        }

        switch fault {
        case .stopped, .killed: try await database.start()
        case .backendKilled: break
        case .wrongPassword: try await database.query("ALTER ROLE app PASSWORD 'app'")
        case .droppedTable: try await database.query("ALTER TABLE gone RENAME TO medbuilder_migrations")
        case .readOnly:
            try await database.query("ALTER ROLE app RESET default_transaction_read_only")
            try await self.endSessions(database)
        case .blackHole: relay.swallow(false)
        case .tooManyConnections: try await database.query("ALTER ROLE app CONNECTION LIMIT -1")
        }
        try await eventually("the server is ready") { try await server.get("/ready").status == 200 }
        try await eventually("it writes") {
            try await server.post("/_drill/transaction?value=after").status == 201
        }
        #expect(try await database.query("SELECT count(*) FROM drill_rows WHERE value = 'before'") == "1")
        #expect(!server.process.outputText.contains("app:app"))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test(.enabled("Mounting needs root and CAP_SYS_ADMIN.", canMount))
    func `a full disk of the database's server is an error until there is room again`() async throws {
        let mount = try await mount("small", kilobytes: 24_576)
        let database = try await startPostgres()
        // The table space alone: without room for its log, the server itself would end.
        try await runTool("chown", ["postgres:postgres", mount.folder.path])
        try await database.query("CREATE TABLESPACE small LOCATION '\(mount.folder.path)'")
        try await database.query("CREATE DATABASE app TABLESPACE small")
        let server = try await drillServer(["DATABASE_URL": database.url("app")])
        #expect(try await server.post("/_drill/transaction?value=before").status == 201)
        try await expectErrorWhileFull(mount, server)
    }

    @Test func `a process that was stopped for a while keeps its connections, and what is under way in them`()
        async throws
    {
        let database = try await startPostgres()
        let server = try await drillServer(["DATABASE_URL": database.url("postgres")])
        let writing = Task { try await server.post("/_drill/transaction?ms=8000&value=slow").status }
        try await eventually("the transaction is open") {
            try await database.query("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "1"
        }
        server.send(SIGSTOP)
        try await Task.sleep(for: .seconds(6))
        server.send(SIGCONT)
        #expect(try await writing.value == 201)
        try await server.waitUntilReady()
        #expect(!server.messages.contains { $0.hasPrefix("Driver rebuilt") })
    }

    @Test func `a name that does not resolve is a database that cannot be reached`() async throws {
        let server = try startServer(["DATABASE_URL": "postgres://u:p@no-such-host.invalid/app"])
        try await eventually("the database is disconnected") {
            try await databaseStatus(server) == "disconnected"
        }
        #expect(try await server.get("/ready").status == 503)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `nothing that was acknowledged is missing after restarts under load`() async throws {
        let database = try await startPostgres(["fsync": "on"])
        let server = try await drillServer([
            "DATABASE_URL": database.url("postgres"), "SHUTDOWN_GRACE_SECONDS": "20",
        ])
        let port = try await server.port
        let ledger = Ledger()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    var number = 0
                    while !ledger.isOver {
                        number += 1
                        let value = "\(writer)-\(number)"
                        let answer = try await RawClient.exchange(
                            port: port, "POST", "/_drill/transaction?value=\(value)")
                        if answer.status == 201 { ledger.add(value) }
                    }
                }
            }
            group.addTask {
                defer { ledger.end() }
                for round in 0..<Soak.restarts {
                    let before = ledger.count
                    try await eventually("writes go on") { ledger.count > before + 20 }
                    try await database.restart([.fast, .immediate, .kill][round % 3])
                }
                let before = ledger.count
                try await eventually("writes go on") { ledger.count > before + 20 }
            }
            try await group.waitForAll()
        }
        let stored = Set(
            try await database.query("SELECT value FROM drill_rows").split(separator: "\n").map(String.init))
        #expect(ledger.values.subtracting(stored) == [])
        #expect(ledger.count > 20 * Soak.restarts)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `ten replicas that start at once migrate once`() async throws {
        let database = try await startPostgres(["max_connections": "200"])
        var servers: [ServerProcess] = []
        for number in 0..<10 {
            servers.append(
                try startServer(
                    ["DATABASE_URL": database.url("postgres"), "DATABASE_POOL_SIZE": "2"],
                    in: makeFolder("replica-\(number)")))
        }
        for server in servers { try await server.waitUntilReady() }
        let steps = try await database.query("SELECT count(*) FROM medbuilder_migrations")
        // Each step by one of them, which need not be the same.
        let applied = servers.flatMap(\.records).compactMap { $0.field("migration.applied").flatMap { Int($0) } }
        #expect(String(applied.reduce(0, +)) == steps)
        #expect(
            try await database.query("SELECT min(name) FROM medbuilder_migrations WHERE version = 1") == "drill rows")
        for server in servers { server.send(SIGTERM) }
        for server in servers { #expect(try await server.waitForExit() == .code(0)) }
    }

    @Test func `migrate tells, shows and does what is to be done`() async throws {
        let database = try await startPostgres()
        let environment = ["DATABASE_URL": database.url("postgres")]
        let status = try await run("migrate", "--status", environment: environment)
        #expect(status.exit == .code(0) && status.output.contains("pending  1  drill rows"), "\(status)")
        // The pool is still connecting when a command as short as this one ends: one in five crashed there.
        for _ in 0..<25 {
            #expect(try await run("migrate", "--status", environment: environment) == status)
        }
        let shown = try await run("migrate", "--dry-run", environment: environment)
        #expect(shown.exit == .code(0), "\(shown)")
        #expect(shown.output.contains("CREATE TABLE drill_rows"), "\(shown)")
        #expect(try await database.query("SELECT to_regclass('drill_rows') IS NULL") == "t")
        #expect(try await run("migrate", "--to", "99", environment: environment).exit == .code(69))
        let now = { Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(Date()) }
        let before = now()
        #expect(try await run("migrate", "--to", "1", environment: environment).exit == .code(0))
        let after = try await run("migrate", "--status", environment: environment).output
        let moment = try #require(after.firstMatch(of: /applied  1  drill rows  (\S+)\n/)?.1, "\(after)")
        #expect(moment > before && moment < now(), "\(after)")
        #expect(try await run("migrate", "--status", "--dry-run", environment: environment).exit == .code(64))
    }

    @Test func `a server elsewhere needs a secure way in production`() async throws {
        let url = "postgres://u:hunter2@db.example/app"
        let environment = [
            "APP_ENV": "production", "DATABASE_URL": url,
            "PHI_ENCRYPTION_KEY": Data((1...32).map { UInt8($0 * 7) }).base64EncodedString(),
        ]
        let refused = try await run("serve", environment: environment)
        #expect(refused.exit == .code(78))
        #expect(refused.errors.contains("verify-full") && !refused.errors.contains("hunter2"), "\(refused.errors)")
        let malformed = try await run("serve", environment: ["DATABASE_URL": "postgres://u:hunter2@h:x/app"])
        #expect(malformed.exit == .code(78) && !malformed.errors.contains("hunter2"), "\(malformed.errors)")
    }

    // MARK: Moves

    /// Ends all sessions of our server.
    private func endSessions(_ database: PostgresServer) async throws {
        try await database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND application_name = 'medbuilder'"
        )
    }
}

/// What was acknowledged.
private final class Ledger: Sendable {
    private let state = Mutex((values: Set<String>(), isOver: false))

    var values: Set<String> { self.state.withLock(\.values) }
    var count: Int { self.state.withLock(\.values.count) }
    var isOver: Bool { self.state.withLock(\.isOver) }
    func add(_ value: String) { self.state.withLock { _ = $0.values.insert(value) } }
    func end() { self.state.withLock { $0.isOver = true } }
}
