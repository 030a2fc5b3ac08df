// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
@testable import MedPostgres
import MedStorage
import MedTesting
import Synchronization
import Testing

/// What was once got wrong, and what servers and callers do that nobody expects.
@Suite struct AdversityTests {
    private struct Mishap: Error {}

    /// What must be in no error.
    private static let secret = "Erika Mustermann"
    private static let single = PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))

    @Test func `what a server says of a value is in no error`() async throws {
        try await withDatabase { database in
            let secret = Self.secret
            let statements: [Statement] = [
                "SELECT to_tsquery('simple', \(secret + " &"))", "SELECT \(secret)::text::regclass",
                "SELECT \(secret)::text::regtype", "SELECT \(secret)::text::int", "SELECT \(secret)::text::json",
                "SELECT has_table_privilege(\(secret)::text::name, 'drill_rows', 'select')", "SELECT 1 / length(\(""))",
            ]
            for statement in statements {
                let error = await #expect(throws: DatabaseError.self) { _ = try await database.query(statement) }
                let text = try #require(error?.description)
                #expect(!text.contains("Erika") && !text.contains("Mustermann"), "\(statement.sql): \(text)")
            }
            try await database.transaction { try await $0.execute("CREATE TABLE people (name TEXT UNIQUE)") }
            try await database.transaction { try await $0.execute("INSERT INTO people VALUES (\(secret))") }
            // libpq keeps the text of the last error, and adds it to what it says of a connection that is lost.
            let error = await #expect(throws: DatabaseError.self) {
                try await database.transaction { transaction in
                    let process = try await transaction.query("SELECT pg_backend_pid()")[0]
                    _ = try? await transaction.savepoint {
                        try await transaction.execute("INSERT INTO people VALUES (\(secret))")
                    }
                    _ = try? await database.query("SELECT pg_terminate_backend(\(try process.decode(0) as Int))")
                    try await transaction.execute("INSERT INTO people VALUES ('b')")
                }
            }
            #expect(error?.code == .notReachable)
            #expect(error?.description.contains("Erika") == false, "\(String(describing: error))")
        }
    }

    @Test func `a wrong statement is shown where it is wrong`() async throws {
        try await withDatabase { database in
            let error = await #expect(throws: DatabaseError.self) {
                _ = try await database.query("SELECT nosuch FROM drill_rows WHERE id = \(1)")
            }
            #expect(error?.code == .invalidStatement)
            #expect(
                error?.description.contains("undefined column, at 'nosuch FROM drill_rows") == true, "\(error as Any)")
        }
    }

    @Test func `a connection is never given out in somebody else's transaction`() async throws {
        try await withDatabase(configuration: Self.single) { database in
            // The server takes BEGIN, and then refuses the limit.
            let code = await code {
                try await database.transaction(TransactionOptions(statementTimeout: .seconds(30 * 86_400))) { _ in }
            }
            #expect(code == .unexpectedValue)
            let found6 = try await database.query("SELECT 1").count
            #expect(found6 == 1)
            // A task of the closure that is still at it when the closure has returned.
            let copying = Held()
            let (began, begin) = AsyncStream.makeStream(of: Void.self)
            await #expect(throws: DatabaseError.self) {
                try await database.transaction { transaction in
                    copying.task.withLock { task in
                        task = Task.detached {
                            let rows = SlowRows(began: begin)
                            _ = try? await transaction.copy(into: "drill_rows", columns: ["value"], rows: rows)
                            begin.finish()
                        }
                    }
                    for await _ in began { break }
                }
            }
            let found5 = try await database.query("SELECT count(*) FROM drill_rows")[0][0]
            #expect(found5 == .integer(0))
            await copying.task.withLock { $0 }?.value
            let found4 = try await database.query("SELECT count(*) FROM drill_rows")[0][0]
            #expect(found4 == .integer(0))
        }
    }

    @Test func `a backend that dies is a lost connection, and a read is asked again`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url, configuration: Self.single) { database in
            let sleeping = Task {
                await code { try await database.transaction { _ = try await $0.query("SELECT pg_sleep(60)") } }
            }
            try await withDatabase(url) { other in
                // Other tests have statements that read the same, in databases of their own.
                while try await other.query(
                    """
                    SELECT pid FROM pg_stat_activity
                    WHERE query = 'SELECT pg_sleep(60)' AND state = 'active' AND datname = current_database()
                    """
                ).isEmpty {
                    try await Task.sleep(for: .milliseconds(10))
                }
                _ = try await other.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE query = 'SELECT pg_sleep(60)' AND datname = current_database()
                    """)
            }
            #expect(await sleeping.value == .notReachable)
            #expect(try await database.query("SELECT 1").count == 1)
        }
    }

    @Test func `what was prepared for an older schema is prepared anew`() async throws {
        try await withDatabase(configuration: Self.single) { database in
            try await database.transaction { try await $0.execute("CREATE TABLE growing (number INT, word TEXT)") }
            let insert = { (number: Int64) in
                _ = try await database.transaction {
                    try await $0.execute("INSERT INTO growing (number) VALUES (\(number))")
                }
            }
            try await insert(1)
            try await database.transaction { try await $0.execute("ALTER TABLE growing ALTER number TYPE BIGINT") }
            try await insert(.max)
            // A statement whose parameter was a text, and is a number by now.
            let words = { (word: SQLValue) in
                try await database.query("SELECT count(*) FROM growing WHERE word = \(word)")[0][0]
            }
            let asText = try await words(.text("1"))
            #expect(asText == .integer(0))
            try await database.transaction {
                try await $0.execute("ALTER TABLE growing ALTER word TYPE INT USING word::int")
            }
            let asNumber = try await words(.integer(1))
            #expect(asNumber == .integer(0))
            let batch = {
                _ = try await database.transaction {
                    try await $0.executeAll(["INSERT INTO growing (number) VALUES (\(Int64(2))) RETURNING *"])
                }
            }
            try await batch()
            try await database.transaction { try await $0.execute("ALTER TABLE growing ADD COLUMN more TEXT") }
            // In a transaction the first one fails, for the server does not go on; the second knows better.
            try? await batch()
            try await batch()
        }
    }

    @Test func `a batch may have more different statements than are kept prepared`() async throws {
        try await withDatabase(configuration: Self.single) { database in
            let statements: [Statement] = (0..<600).map { number in
                Statement(prefix: "/* \(number) */ ", "INSERT INTO drill_rows (value) VALUES (\("a"))")
            }
            for _ in 0..<2 {
                let counts = try await database.transaction { try await $0.executeAll(statements) }
                #expect(counts == Array(repeating: 1, count: 600))
            }
        }
    }

    @Test func `texts are UTF-8 whatever the database would like`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url) { try await alter($0, "SET client_encoding = latin1") }
        try await withDatabase(url) { database in
            try await database.transaction {
                try await $0.execute("INSERT INTO drill_rows (value) VALUES (\("Müller"))")
            }
            let row = try await database.query("SELECT value, char_length(value) FROM drill_rows")[0]
            #expect(row.values == [.text("Müller"), .integer(6)])
        }
    }

    @Test func `dates out of our range are refused, and infinity is not one of them`() async throws {
        try await withDatabase { database in
            for late: Statement in ["SELECT '300000-01-01'::date", "SELECT '294276-12-31 23:59:00Z'::timestamptz"] {
                #expect(await code { _ = try await database.query(late) } == .unexpectedValue)
            }
            let row = try await database.query("SELECT 'infinity'::date, '-infinity'::timestamptz")[0]
            #expect(row.values == [.timestamp(.infinity), .timestamp(.negativeInfinity)])
        }
    }

    @Test func `closing takes seconds whatever runs, and the server goes on with nothing`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url) { watcher in
            let database = try makeDatabase(url)
            try await database.open()
            try await database.migrate()
            let idling = Task { _ = try? await database.transaction { _ in try? await Task.sleep(for: .seconds(60)) } }
            let asking = Task { _ = try? await database.query("SELECT pg_sleep(60)") }
            let count = {
                try await watcher.query(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE query = 'SELECT pg_sleep(60)' AND state = 'active' AND datname = current_database()
                    """)[0][0]
            }
            while try await count() != .integer(1) { try await Task.sleep(for: .milliseconds(10)) }
            await database.close()
            while try await count() != .integer(0) { try await Task.sleep(for: .milliseconds(10)) }
            // Nobody who comes late opens it again.
            let late = database.notifications(on: "late")
            try await Task.sleep(for: .milliseconds(200))
            #expect(await code { _ = try await database.query("SELECT 1") } == .closed)
            _ = late
            #expect(!idling.isCancelled)
            idling.cancel()
            await idling.value
            await asking.value
            await database.close()
        }
    }

    @Test func `a transaction's own limit holds for whatever runs in it, and so does an administrator's`() async throws
    {
        let url = try await SharedServer.shared.createDatabase()
        // Long enough for what the start asks, on a busy machine too.
        let short = PostgresLimits(statement: .seconds(2), connect: .seconds(30))
        // The client's patience is five seconds more than the limit.
        try await withDatabase(url, limits: short) { database in
            try await database.transaction(TransactionOptions(statementTimeout: .seconds(60))) { transaction in
                _ = try await transaction.executeAll(["SELECT pg_sleep(8)"])
            }
            try await alter(database, "SET statement_timeout = ''60s''")
        }
        try await withDatabase(url, limits: short) { database in
            let found3 = try await database.query("SELECT pg_sleep(8)").count
            #expect(found3 == 1)
        }
    }

    @Test func `who is cancelled costs the pool no connection`() async throws {
        let configuration = PoolConfiguration(
            minimum: 3, maximum: 3, acquireTimeout: .seconds(60), pingAfterIdle: .milliseconds(1))
        try await withDatabase(configuration: configuration) { database in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { _ = try? await database.query("SELECT pg_sleep(0.2)") } }
            }
            let processes: () async throws -> [Int] = {
                try await database.query(
                    """
                    SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'medbuilder'
                    """)[0].decode(0)
            }
            // Those of the pool and the health check's: the one that migrated may still be on its way out.
            let before = try await settled(processes) { $0.count == 4 }
            for _ in 0..<20 {
                let task = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    // Cancelled by itself, before it asks.
                    _ = try await database.query("SELECT 1")
                }
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            let after = try await processes()
            #expect(after == before)
        }
    }

    @Test func `a channel that there cannot be does not stop the others`() async throws {
        try await withDatabase { database in
            var good = database.notifications(on: "good").makeAsyncIterator()
            for name in ["", String(repeating: "x", count: 64)] {
                for await _ in database.notifications(on: name) {}
            }
            try await database.transaction { try await $0.notify("good", payload: "a") }
            // The gaps come first: one for the beginning, one for when the server listens, which may be after the message.
            var next = await good.next()
            while next == .gap {
                try await database.transaction { try await $0.notify("good", payload: "a") }
                next = await good.next()
            }
            #expect(next == .message("a"))
            let odd = database.notifications(on: "a\u{600}\"; CREATE TABLE injected (x int); --")
            try await Task.sleep(for: .milliseconds(300))
            #expect(try await database.query("SELECT to_regclass('injected')::text")[0][0] == .null)
            _ = odd
        }
    }

    @Test func `a savepoint that cannot be undone is not committed`() async throws {
        try await withDatabase { database in
            _ = try? await database.transaction { transaction in
                let other = Held()
                do {
                    try await transaction.savepoint {
                        try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('must be undone')")
                        other.task.withLock { $0 = Task { _ = try? await transaction.query("SELECT pg_sleep(0.5)") } }
                        try await Task.sleep(for: .milliseconds(100))
                        throw Mishap()
                    }
                } catch is Mishap {}
                await other.task.withLock { $0 }?.value
            }
            let found2 = try await database.query("SELECT count(*) FROM drill_rows")[0][0]
            #expect(found2 == .integer(0))
        }
    }

    @Test func `a stream that is left leaves no cursor`() async throws {
        try await withDatabase { database in
            try await database.transaction { transaction in
                for _ in 0..<3 {
                    await #expect(throws: Mishap.self) {
                        try await transaction.stream("SELECT generate_series(1, 100000)") { rows in
                            _ = try await rows.next()
                            throw Mishap()
                        }
                    }
                }
                let found1 = try await transaction.query(
                    "SELECT count(*) FROM pg_cursors WHERE name LIKE 'medcursor%'")[0][0]
                #expect(found1 == .integer(0))
            }
        }
    }

    @Test func `an index that was not built to its end is built anew`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        let plan = try MigrationPlan([
            Migration(
                version: 1, name: "table", statements: ["CREATE TABLE big AS SELECT generate_series(1, 1000) AS a"]),
            Migration(
                version: 2, name: "index", sqlite: [],
                postgres: ["CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS big_a ON big (a)"], isTransactional: false),
        ])
        let database = try makeDatabase(url, migrations: plan)
        try await database.open()
        try await database.migrate(to: 1)
        let reading = Task {
            try await database.transaction { transaction in
                _ = try await transaction.query("SELECT count(*) FROM big")
                // Longer than a step waits for a lock.
                _ = try await transaction.query("SELECT pg_sleep(7)")
            }
        }
        try await Task.sleep(for: .milliseconds(300))
        #expect(try await database.migrate() == MigrationReport(applied: 1, version: 2))
        try await reading.value
        let isValid = try await database.query(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_a'::regclass")[0][0]
        #expect(isValid == .boolean(true))
        await database.close()
    }

    @Test func `only this machine is this machine`() throws {
        for (url, environment, isLocal) in [
            ("postgres://127.0.0.1/a", [:], true), ("postgres://localhost/a", [:], true), ("postgres:///a", [:], true),
            ("postgres://127.0.0.1.example.org/a", [:], false), ("postgres://127.example.org/a", [:], false),
            ("postgres://localhost/a", ["PGHOSTADDR": "10.9.9.9"], false),
            ("postgres:///a", ["PGSERVICE": "far"], false),
            ("postgres:///a", ["PGHOST": "db.example.org"], false),
            ("postgres:///a", ["PGHOST": "localhost,far"], false),
        ] as [(String, [String: String], Bool)] {
            let location = try #require(PostgresLocation(url: url, environment: environment))
            #expect(location.isLocal == isLocal, "\(url) \(environment)")
        }
    }

    @Test func `a way past the pooler that leads elsewhere migrates nothing`() async throws {
        let (here, elsewhere) = (
            try await SharedServer.shared.createDatabase(), try await SharedServer.shared.createDatabase()
        )
        let database = try makeDatabase(here, direct: elsewhere)
        try await database.open()
        #expect(await code { try await database.migrate() } == .unsupported)
        await database.close()
        let other = try makeDatabase(elsewhere)
        try await other.open()
        #expect(try await other.migrationStatus().version == 0)
        await other.close()
        let right = try makeDatabase(here, direct: here)
        try await right.open()
        #expect(try await right.migrate().version == MigrationPlan.medBuilder.version)
        await right.close()
    }

    @Test func `a role that may not do something is told so`() async throws {
        try await withDatabase { database in
            try await database.transaction { transaction in
                try await transaction.execute(
                    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mednobody') THEN CREATE ROLE mednobody; END IF; END $$"
                )
            }
            let error = await #expect(throws: DatabaseError.self) {
                try await database.transaction { transaction in
                    try await transaction.execute("SET LOCAL ROLE mednobody")
                    _ = try await transaction.query("SELECT * FROM drill_rows")
                }
            }
            #expect(error?.code == .notPermitted)
            #expect(error?.description.contains("the role lacks a privilege") == true, "\(error as Any)")
        }
    }

    @Test(arguments: [
        ("sslmode=sometimes", DatabaseError.Code.unsupported), ("service=nope", .unsupported),
    ])
    func `what is wrong with the URL is no server that is away`(option: String, expected: DatabaseError.Code)
        async throws
    {
        let database = try makeDatabase("postgres://u:p@127.0.0.1:1/db?\(option)")
        #expect(await code { try await database.open() } == expected)
        #expect(await database.check().status == .error)
        await database.close()
    }

    @Test func `a server that is not ready yet is not said to be out of reach`() {
        let error = Connector.failure(from: "connection to server failed: FATAL:  57P03\n", database: "notes")
        #expect(error.code == .notReachable)
        #expect(
            error.description
                == "Database 'notes' refused the connection: it is starting, stopping or recovering [57P03].")
    }

    @Test func `a mistyped URL tells nobody its password`() async throws {
        let database = try makeDatabase("postgres://u:geheim@Rest-Des-Passworts@127.0.0.1:1/db")
        let error = await #expect(throws: DatabaseError.self) { try await database.open() }
        #expect(error?.description.contains("Rest") == false, "\(error as Any)")
        await database.close()
    }
}

/// Changes a setting of the database, for the sessions that come.
private func alter(_ database: PostgresDatabase, _ change: String) async throws {
    let statement = Statement(
        prefix: "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I \(change)', current_database()); END $$", "")
    _ = try await database.transaction { try await $0.execute(statement) }
}

/// A task that outlives the closure in which it began.
private final class Held: Sendable {
    let task = Mutex<Task<Void, Never>?>(nil)
}

/// A row every 20 ms, for two seconds.
private struct SlowRows: Sequence, IteratorProtocol, Sendable {
    private let began: AsyncStream<Void>.Continuation
    private var left = 100

    /// - Parameter began: told when somebody asks for a row.
    init(began: AsyncStream<Void>.Continuation) { self.began = began }

    mutating func next() -> [SQLValue]? {
        self.began.yield()
        guard self.left > 0 else { return nil }
        self.left -= 1
        Thread.sleep(forTimeInterval: 0.02)
        return [.text("a")]
    }
}
