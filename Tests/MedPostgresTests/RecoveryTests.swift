// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
@testable import MedPostgres
import MedStorage
import MedTesting
import Synchronization
import Testing

/// What brings itself back.
@Suite struct RecoveryTests {
    @Test func `a pool that stays dead gets other connections, then a new driver, and is only then a problem`() {
        var ladder = RebuildLadder()
        var now = ContinuousClock.now
        func next(after seconds: Int, stalledFor: Int) -> RebuildLadder.Step {
            now += .seconds(seconds)
            return ladder.next(stalledFor: .seconds(stalledFor), now: now)
        }
        #expect(next(after: 0, stalledFor: 4) == .none)
        #expect(next(after: 1, stalledFor: 5) == .replaceConnections)
        #expect(next(after: 1, stalledFor: 1) == .none)
        #expect(next(after: 4, stalledFor: 5) == .rebuildDriver)
        #expect(next(after: 1, stalledFor: 1) == .none)
        #expect(next(after: 4, stalledFor: 5) == .report)
        #expect(next(after: 1, stalledFor: 6) == .report)
        // Something moved, and it takes a while until that is believed.
        #expect(next(after: 1, stalledFor: 0) == .report)
        #expect(next(after: 9, stalledFor: 0) == .none)
        #expect(next(after: 1, stalledFor: 5) == .replaceConnections)
        #expect(next(after: 10, stalledFor: 0) == .none)
        #expect(next(after: 1, stalledFor: 5) == .replaceConnections)
    }

    @Test func `who waits behind transactions that never end gets a connection, although nobody gives one back`()
        async throws
    {
        try await withDatabase(configuration: PoolConfiguration(maximum: 2, acquireTimeout: .seconds(60))) { database in
            let (gate, open) = AsyncStream.makeStream(of: Void.self)
            let hangs = (0..<2).map { number in
                Task {
                    try await database.transaction { transaction in
                        try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\("held \(number)"))")
                        for await _ in gate { break }
                    }
                }
            }
            while database.statistics.busy < 2 { try await Task.sleep(for: .milliseconds(5)) }
            let served = Mutex(false)
            let waiting = Task {
                let rows = try await database.query("SELECT 1")
                served.withLock { $0 = true }
                return rows.count
            }
            while !served.withLock(\.self) {
                #expect(await database.settledCheck().status == .connected)
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await waiting.value == 1)
            // Those that were let go of are still whole.
            open.finish()
            for hang in hangs { try await hang.value }
            #expect(try await database.query("SELECT count(*) FROM drill_rows")[0].decode(0) == 2)
        }
    }

    @Test func `without its thread the driver is made anew, and nobody waits for ever`() async throws {
        try await withDatabase { database in
            let listening = Task {
                for await notification in database.notifications(on: "news") where notification == .message("after") {
                    return true
                }
                return false
            }
            let current = database.state.withLock { $0.driver }
            let driver = try #require(current)
            let hang = Task { try await database.query("SELECT pg_sleep(300)") }
            while database.statistics.busy < 1 { try await Task.sleep(for: .milliseconds(5)) }
            // As if it had ended by itself.
            driver.reactor.halt()
            while driver.reactor.isAlive(now: .now) { try await Task.sleep(for: .milliseconds(50)) }
            // The first check makes it anew; its connection may come too late for that one on a busy machine.
            while await database.check().status != .connected { try await Task.sleep(for: .milliseconds(50)) }
            #expect(database.state.withLock { $0.driver } !== driver)
            _ = await hang.result
            #expect(try await database.query("SELECT 1").count == 1)
            let sending = Task {
                while !Task.isCancelled {
                    // One that fails is followed by others.
                    try? await database.transaction { try await $0.notify("news", payload: "after") }
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
            #expect(await listening.value)
            sending.cancel()
        }
    }

    @Test func `a connection that was added after all others were gone has its time limits looked at`() async throws {
        final class Source: Reactor.Source {
            let ticks = Mutex(0)
            func isReady(toRead: Bool, toWrite: Bool, mayWait: Bool) -> Bool { true }
            func tick(now: ContinuousClock.Instant) { self.ticks.withLock { $0 += 1 } }
            func reactorStopped() {}
        }
        let reactor = try Reactor()
        defer { reactor.stop() }
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        for _ in 0..<3 {
            let source = Source()
            let token = try #require(reactor.add(source, descriptor: ends[0]))
            while source.ticks.withLock({ $0 < 2 }) { try await Task.sleep(for: .milliseconds(5)) }
            reactor.remove(ends[0], token: token)
            // It has gone into the wait that has no end.
            try await Task.sleep(for: .milliseconds(300))
            #expect(reactor.isAlive(now: .now + .seconds(60)))
        }
    }

    @Test func `who listens is told that something may have been missed, and hears on, after the connection was lost`()
        async throws
    {
        try await withDatabase { database in
            let heard = Watched<[DatabaseNotification]>([])
            let listening = Task {
                for await notification in database.notifications(on: "news") {
                    heard.update { $0.append(notification) }
                    if notification == .message("end") { return }
                }
            }
            func send(_ text: String) async throws {
                try await database.transaction { try await $0.notify("news", payload: text) }
            }
            func wait(for notification: DatabaseNotification) async throws {
                _ = try await heard.wait(for: "\(notification)") { $0.firstIndex(of: notification) }
            }
            // At once, since nobody knows what came before; and when the server has heard of us.
            _ = try await heard.wait(for: "the server to listen on our behalf") { $0 == [.gap, .gap] ? $0 : nil }
            try await send("one")
            try await wait(for: .message("one"))
            heard.update { $0 = [] }
            try await database.transaction { transaction in
                // The one that listens, and whoever else there is but us.
                try await transaction.execute(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                    """)
            }
            try await wait(for: .gap)
            try await send("two")
            try await wait(for: .message("two"))
            #expect(heard.read(\.first) == .gap)
            try await send("end")
            await listening.value
        }
    }

    @Test func `when a standby takes over, the pool finds it, and what was acknowledged is there`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "medpostgres-ha-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let primary = try await PostgresServer(
            in: folder, settings: ["wal_level": "replica", "max_wal_senders": "4"])
        let standby = try await PostgresServer(standbyOf: primary, in: folder)
        let url =
            "postgres://postgres:\(PostgresServer.password)@127.0.0.1:\(primary.port),127.0.0.1:\(standby.port)/postgres"
        try await withDatabase(url + "?target_session_attrs=read-write") { database in
            // From now on a commit is there only when it is in both.
            try await primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
            try await primary.query("SELECT pg_reload_conf()")
            func isSynchronous() async throws -> Bool {
                let states = try await database.query(
                    """
                    SELECT current_setting('synchronous_standby_names') = '*'
                        AND EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')
                    """)
                return try states[0].decode(0)
            }
            while try await !isSynchronous() { try await Task.sleep(for: .milliseconds(20)) }
            var acknowledged: [String] = []
            for number in 0..<200 {
                if number == 100 {
                    try await primary.stop(.immediate)
                    try await standby.query("SELECT pg_promote()")
                }
                let value = "row \(number)"
                let outcome = await code {
                    _ = try await database.transaction { transaction in
                        try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\(value))")
                    }
                }
                if outcome == nil { acknowledged.append(value) }
            }
            while await database.check().status != .connected { try await Task.sleep(for: .milliseconds(20)) }
            try await database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('after')")
            }
            let stored = try await database.query("SELECT value FROM drill_rows").map {
                try $0.decode(0, as: String.self)
            }
            #expect(Set(acknowledged).subtracting(stored) == [])
            #expect(stored.contains("after") && acknowledged.count >= 100)
            // Whoever only reads may prefer the other one; there is none any more, and the one that is left will do.
            #expect(await code { try await withDatabase(url + "?target_session_attrs=prefer-standby") { _ in } } == nil)
        }
        await standby.end()
        await primary.end()
    }
}
