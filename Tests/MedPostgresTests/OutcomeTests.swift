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

    /// Two databases on one server, the first by a relay, and a table whose rows take a minute to commit, or whatever time is asked for.
    private func withSlowCommits(
        _ body: (_ database: PostgresDatabase, _ watcher: PostgresDatabase, _ relay: RecordingRelay) async throws ->
            Void
    ) async throws {
        let server = try await SharedServer.shared.server()
        let url = try await server.createDatabase()
        let relay = try RecordingRelay(to: server.port)
        let relayed = url.replacing(":\(server.port)", with: ":\(relay.port)")
        #expect(relayed != url)
        try await withDatabase(url) { watcher in
            try await watcher.transaction { transaction in
                try await transaction.execute("CREATE TABLE slow (value TEXT)")
                try await transaction.execute(
                    """
                    CREATE FUNCTION nap() RETURNS TRIGGER LANGUAGE plpgsql AS
                    'BEGIN PERFORM pg_sleep(CASE NEW.value WHEN ''short'' THEN 0.5 ELSE 60 END); RETURN NULL; END'
                    """)
                try await transaction.execute(
                    """
                    CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION nap()
                    """)
            }
            let single = PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))
            try await withDatabase(relayed, configuration: single) { try await body($0, watcher, relay) }
        }
    }

    private func napping(_ watcher: PostgresDatabase) async throws -> [Int] {
        try await watcher.query(
            """
            SELECT pid FROM pg_stat_activity
            WHERE wait_event = 'PgSleep' AND state = 'active' AND datname = current_database()
            """
        ).map { try $0.decode(0) }
    }

    private func waitUntilNapping(_ watcher: PostgresDatabase) async throws -> Int {
        while true {
            if let process = try await self.napping(watcher).first { return process }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func rows(_ watcher: PostgresDatabase) async throws -> Int {
        try await watcher.query("SELECT count(*) FROM slow")[0].decode(0)
    }

    @Test(arguments: Way.allCases, End.allCases)
    func `a connection that is lost during a commit leaves open what came of it`(way: Way, end: End) async throws {
        try await self.withSlowCommits { database, watcher, relay in
            let inserting = Task {
                await code { try await way.insert(end == .cut ? "short" : "long", into: database) }
            }
            let process = try await self.waitUntilNapping(watcher)
            switch end {
            case .cut:
                relay.swallow(true)
                while try await !self.napping(watcher).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
                _ = try await relay.stop()
            case .closed: await database.close()
            case .terminated: _ = try await watcher.query("SELECT pg_terminate_backend(\(process))")
            }
            #expect(await inserting.value == .outcomeUnknown)
            // Which is why nobody may say that it was not done.
            let rows = try await self.rows(watcher)
            if end == .cut { #expect(rows == 1) }
        }
    }

    @Test func `a statement alone that the server has ended has done nothing, and says so`() async throws {
        try await self.withSlowCommits { database, watcher, _ in
            let inserting = Task {
                await code { try await database.execute("INSERT INTO slow SELECT 'a' FROM pg_sleep(60)") }
            }
            let process = try await self.waitUntilNapping(watcher)
            _ = try await watcher.query("SELECT pg_terminate_backend(\(process))")
            #expect(await inserting.value == .notReachable)
            let rows = try await self.rows(watcher)
            #expect(rows == 0)
        }
    }

    @Test func `a statement alone that is cancelled, or takes too long, has done nothing`() async throws {
        try await self.withSlowCommits { database, watcher, _ in
            let inserting = Task { try await database.execute("INSERT INTO slow (value) VALUES ('long')") }
            _ = try await self.waitUntilNapping(watcher)
            inserting.cancel()
            await #expect(throws: CancellationError.self) { try await inserting.value }
            let rows = try await self.rows(watcher)
            #expect(rows == 0)
        }
        try await withDatabase(limits: PostgresLimits(statement: .seconds(1), connect: .seconds(30))) { database in
            let code = await code {
                try await database.execute("INSERT INTO drill_rows (value) SELECT 'a' FROM pg_sleep(60)")
            }
            #expect(code == .timeout)
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

    @Test func `a statement alone is all that is sent`() async throws {
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
