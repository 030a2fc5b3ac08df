// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
@testable import MedPostgres
import MedStorage
import MedTesting
import Testing

/// What a caller hears of a write whose connection does not live to see its end.
@Suite struct OutcomeTests {
    enum Way: CaseIterable {
        /// A statement that commits itself.
        case alone
        /// One in a transaction.
        case transaction

        func insert(_ value: String, into database: PostgresDatabase) async throws {
            let statement: Statement = "INSERT INTO slow (value) VALUES (\(value))"
            switch self {
            case .alone: try await database.execute(statement)
            case .transaction: try await database.transaction { try await $0.execute(statement) }
            }
        }
    }

    enum End: CaseIterable {
        /// The answer is lost, and then the connection.
        case cut
        /// The database is closed.
        case closed
        /// The server ends the session.
        case terminated
    }

    /// A server on which a row of the table `slow` is not committed before the test lets it.
    private struct Scene {
        /// Whose writes they are, by the relay.
        let database: PostgresDatabase
        /// Where that is.
        let relayed: String
        let relay: RecordingRelay
        let watcher: PostgresDatabase
        /// With one connection, since it holds the lock.
        let holder: PostgresDatabase

        /// The process that waits for the lock, as soon as one does.
        func waiting() async throws -> Int {
            let rows = try await settled {
                try await self.watcher.query(
                    "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()")
            } when: {
                !$0.isEmpty
            }
            return try #require(rows.first, "Nobody waits.").decode(0)
        }

        func hold() async throws { _ = try await self.holder.query("SELECT pg_advisory_lock(1)") }

        func letGo() async throws { _ = try await self.holder.query("SELECT pg_advisory_unlock(1)") }

        /// How many rows are there, once it is the number that is expected.
        func rows(_ expected: Int) async throws -> Int {
            try await settled {
                try await self.watcher.query("SELECT count(*) FROM slow")[0].decode(0, as: Int.self)
            } when: {
                $0 == expected
            }
        }
    }

    private func withSlowCommits(_ body: (Scene) async throws -> Void) async throws {
        let server = try await SharedServer.shared.server()
        let url = try await server.createDatabase()
        let relay = try RecordingRelay(to: server.port)
        let relayed = url.replacing(":\(server.port)", with: ":\(relay.port)")
        #expect(relayed != url)
        // Nobody waits for as long as that.
        let limits = PostgresLimits(statement: .seconds(600), lock: .seconds(600), connect: .seconds(30))
        let single = PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))
        try await withDatabase(url, limits: limits) { watcher in
            try await watcher.transaction { transaction in
                try await transaction.execute("CREATE TABLE slow (value TEXT)")
                try await transaction.execute(
                    """
                    CREATE FUNCTION wait() RETURNS TRIGGER LANGUAGE plpgsql AS
                    'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'
                    """)
                try await transaction.execute(
                    """
                    CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION wait()
                    """)
            }
            try await withDatabase(url, configuration: single, limits: limits) { holder in
                try await withDatabase(relayed, configuration: single, limits: limits) { database in
                    let scene = Scene(
                        database: database, relayed: relayed, relay: relay, watcher: watcher, holder: holder)
                    try await scene.hold()
                    try await body(scene)
                }
            }
        }
    }

    @Test(arguments: Way.allCases, End.allCases)
    func `a connection that is lost during a commit leaves open what came of it`(way: Way, end: End) async throws {
        try await self.withSlowCommits { scene in
            let inserting = Task { await code { try await way.insert("a", into: scene.database) } }
            let process = try await scene.waiting()
            switch end {
            case .cut:
                scene.relay.swallow(true)
                try await scene.letGo()
                // Which is why nobody may say that it was not done.
                let rows = try await scene.rows(1)
                #expect(rows == 1)
                _ = try await scene.relay.stop()
            case .closed: await scene.database.close()
            case .terminated: _ = try await scene.watcher.query("SELECT pg_terminate_backend(\(process))")
            }
            #expect(await inserting.value == .outcomeUnknown)
        }
    }

    @Test func `a migration whose commit is lost is not said to have failed`() async throws {
        try await self.withSlowCommits { scene in
            let plan = try MigrationPlan(
                MigrationPlan.medBuilder.migrations + [
                    Migration(
                        version: MigrationPlan.medBuilder.version + 1, name: "slow",
                        // As for all others here, the lock is theirs for as long as the test has it.
                        statements: ["SET LOCAL lock_timeout = 0", "INSERT INTO slow (value) VALUES ('a')"])
                ])
            let database = try makeDatabase(scene.relayed, migrations: plan)
            let migrating = Task {
                await code {
                    try await database.open()
                    _ = try await database.migrate()
                }
            }
            _ = try await scene.waiting()
            scene.relay.swallow(true)
            try await scene.letGo()
            let rows = try await scene.rows(1)
            #expect(rows == 1)
            _ = try await scene.relay.stop()
            #expect(await migrating.value == .outcomeUnknown)
            await database.close()
        }
    }

    @Test func `an answer counts that comes while the request to cancel is lost`() async throws {
        try await self.withSlowCommits { scene in
            var isDone = false
            // On a busy machine, the answer may come too late once, when the connection is given up.
            for _ in 0..<5 where !isDone {
                let inserting = Task { try await Way.alone.insert("a", into: scene.database) }
                _ = try await scene.waiting()
                scene.relay.swallowNewcomers(true)
                inserting.cancel()
                try await scene.letGo()
                let result = await inserting.result
                scene.relay.swallowNewcomers(false)
                switch result {
                case .success: isDone = true
                case .failure(let error):
                    #expect((error as? DatabaseError)?.code == .outcomeUnknown)
                    try await scene.hold()
                }
            }
            #expect(isDone)
        }
    }

    @Test func `what the database refuses is not sent twice`() async throws {
        try await withDatabase { database in
            try await database.execute("CREATE SEQUENCE attempts")
            try await database.execute(
                """
                CREATE FUNCTION refuse() RETURNS TEXT LANGUAGE plpgsql AS
                'BEGIN PERFORM nextval(''attempts''); RAISE undefined_table; END'
                """)
            for attempt in 1...3 {
                let code = await code { try await database.execute("INSERT INTO drill_rows (value) SELECT refuse()") }
                #expect(code == .invalidStatement)
                // A sequence is not rolled back.
                let row = try await database.query("SELECT last_value, is_called FROM attempts")[0]
                #expect(try row.decode(0, as: Int.self) == attempt)
                #expect(try row.decode(1, as: Bool.self))
            }
        }
    }

    @Test(arguments: Way.allCases)
    func `a commit that the server has broken off has done nothing`(way: Way) async throws {
        try await self.withSlowCommits { scene in
            let inserting = Task { await code { try await way.insert("a", into: scene.database) } }
            let process = try await scene.waiting()
            _ = try await scene.watcher.query("SELECT pg_cancel_backend(\(process))")
            #expect(await inserting.value == .timeout)
            try await scene.letGo()
            let changed = try await scene.database.execute("INSERT INTO slow (value) VALUES ('b')")
            #expect(changed == 1)
            let rows = try await scene.rows(1)
            #expect(rows == 1)
        }
    }

    @Test func `a statement alone that the server has ended has done nothing, and says so`() async throws {
        try await self.withSlowCommits { scene in
            let inserting = Task {
                await code {
                    try await scene.database.execute("INSERT INTO slow SELECT 'a' FROM pg_advisory_xact_lock(1)")
                }
            }
            let process = try await scene.waiting()
            _ = try await scene.watcher.query("SELECT pg_terminate_backend(\(process))")
            #expect(await inserting.value == .notReachable)
            let rows = try await scene.rows(0)
            #expect(rows == 0)
        }
    }

    @Test func `a statement alone that is cancelled has done nothing`() async throws {
        try await self.withSlowCommits { scene in
            var isConfirmed = false
            // On a busy machine, the server may be so late once that the connection is given up.
            for _ in 0..<5 where !isConfirmed {
                let inserting = Task { try await Way.alone.insert("a", into: scene.database) }
                _ = try await scene.waiting()
                inserting.cancel()
                do {
                    try await inserting.value
                    Issue.record("It was done.")
                } catch let error as DatabaseError {
                    #expect(error.code == .outcomeUnknown)
                } catch { isConfirmed = error is CancellationError }
            }
            #expect(isConfirmed)
            let rows = try await scene.rows(0)
            #expect(rows == 0)
        }
    }

    @Test func `a statement alone that takes too long has done nothing`() async throws {
        let limits = PostgresLimits(statement: .seconds(1), connect: .seconds(30))
        try await withDatabase(limits: limits) { database in
            let code = await code {
                try await database.execute("INSERT INTO drill_rows (value) SELECT 'a' FROM pg_sleep(60)")
            }
            #expect(code == .timeout)
            let rows = try await database.query("SELECT 1 FROM drill_rows").count
            #expect(rows == 0)
        }
    }

    @Test(arguments: [
        "CALL half()", "DO 'BEGIN INSERT INTO drill_rows (value) VALUES (''half''); COMMIT; PERFORM nosuch(); END'",
        "VACUUM drill_rows",
    ])
    func `what would commit before it is done is refused, and has done nothing`(statement: Statement) async throws {
        try await withDatabase { database in
            try await database.execute(
                """
                CREATE PROCEDURE half() LANGUAGE plpgsql AS
                'BEGIN INSERT INTO drill_rows (value) VALUES (''half''); COMMIT; PERFORM nosuch(); END'
                """)
            await #expect(throws: DatabaseError.self) { try await database.execute(statement) }
            let rows = try await database.query("SELECT 1 FROM drill_rows").count
            #expect(rows == 0)
        }
    }

    @Test func `cancelled at any moment, a statement alone is done if it says so, and only then`() async throws {
        try await withDatabase(configuration: PoolConfiguration(maximum: 3, acquireTimeout: .seconds(60))) { database in
            var done: Set<Int> = []
            var isUnknown: Set<Int> = []
            for round in 0..<200 {
                let task = Task {
                    try await database.execute("INSERT INTO drill_rows (value) VALUES (\("\(round)"))")
                }
                try await Task.sleep(for: .microseconds(round * 20))
                task.cancel()
                switch await task.result {
                case .success(let count):
                    #expect(count == 1)
                    done.insert(round)
                case .failure(let error as DatabaseError):
                    // On a busy machine, the server may be so late once that the connection is given up.
                    #expect(error.code == .outcomeUnknown)
                    isUnknown.insert(round)
                case .failure(let error): #expect(error is CancellationError)
                }
            }
            let rows = try await database.query("SELECT value FROM drill_rows")
            let stored = Set(try rows.map { try #require(Int(try $0.decode(0, as: String.self))) })
            #expect(stored.subtracting(isUnknown) == done)
            #expect(rows.count == stored.count)
            #expect(!done.isEmpty && done.count < 200)
        }
    }

    @Test func `an observer hears of a statement alone, and of no transaction around it`() async throws {
        let observer = RecordingObserver()
        try await withDatabase(observer: observer) { database in
            for number in 0..<3 {
                try await database.execute("INSERT INTO drill_rows (value) VALUES (\("\(number)"))")
            }
            let updated = try await database.execute("UPDATE drill_rows SET value = 'x'")
            #expect(updated == 3)
            #expect(observer.records.map(\.operation).suffix(4) == [.insert, .insert, .insert, .update])
        }
    }
}
