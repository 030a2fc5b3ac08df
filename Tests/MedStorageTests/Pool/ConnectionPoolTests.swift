// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import MedTesting
import Synchronization
import Testing

/// In which order things happened.
private final class Order: Sendable {
    private let list = Mutex<[Int]>([])
    var numbers: [Int] { self.list.withLock { $0 } }
    func add(_ number: Int) { self.list.withLock { $0.append(number) } }
}

/// Looks again and again until `condition` holds, or for a minute.
private func eventually(_ condition: () -> Bool) async throws {
    for _ in 0..<60_000 {
        if condition() { return }
        try await Task.sleep(for: .milliseconds(1))
    }
    Issue.record("It never came.")
}

@Suite struct ConnectionPoolTests {
    private static let away = DatabaseError(code: .notReachable, description: "It is away.")

    @Test func `users get connections in the order in which they asked`() async throws {
        // On a busy machine, many seconds may go by.
        let pool = ConnectionPool(
            configuration: PoolConfiguration(maximum: 1, acquireTimeout: .seconds(3600))
        ) { () async throws(DatabaseError) in FakeConnection() }
        let first = try await pool.acquire()
        let order = Order()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try await pool.withConnection { _ in order.add(number) }
                }
                try await eventually { pool.statistics.waiting > number }
            }
            pool.release(first)
            try await group.waitForAll()
        }
        #expect(order.numbers == Array(0..<20))
        await pool.drain()
    }

    @Test func `who is cancelled leaves no gap`() async throws {
        let pool = ConnectionPool(
            configuration: PoolConfiguration(maximum: 1, acquireTimeout: .seconds(3600))
        ) { () async throws(DatabaseError) in FakeConnection() }
        let only = try await pool.acquire()
        let waiting = Task { try await pool.acquire() }
        try await eventually { pool.statistics.waiting == 1 }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(pool.statistics.waiting == 0)
        pool.release(only)
        try await pool.withConnection { #expect($0 === only) }
        await pool.drain()
    }

    @Test func `who waits too long is told so`() async throws {
        let pool = ConnectionPool(
            configuration: PoolConfiguration(maximum: 1, acquireTimeout: .milliseconds(50))
        ) { () async throws(DatabaseError) in FakeConnection() }
        // On a busy machine, the connection may take longer than that to be made.
        let first = await settled({ try? await pool.acquire() }) { $0 != nil }
        let only = try #require(first)
        do {
            _ = try await pool.acquire()
            Issue.record("There is none.")
        } catch let error as DatabaseError {
            #expect(error.code == .poolExhausted)
        }
        pool.release(only)
        try await pool.withConnection { #expect($0 === only) }
        await pool.drain()
        #expect(only.isClosed)
    }

    @Test func `cancellations at any moment lose no connection`() async throws {
        let live = LiveCount()
        do {
            let pool = ConnectionPool(
                configuration: PoolConfiguration(maximum: 3, acquireTimeout: .seconds(3600))
            ) { () async throws(DatabaseError) in FakeConnection(live: live) }
            await withDiscardingTaskGroup { group in
                for _ in 0..<2000 {
                    group.addTask {
                        let task = Task { try await pool.withConnection { _ in await Task.yield() } }
                        if Bool.random() { await Task.yield() }
                        task.cancel()
                        _ = await task.result
                    }
                }
            }
            let statistics = pool.statistics
            #expect(statistics.busy == 0 && statistics.waiting == 0)
            try await pool.withConnection { _ in }
            await pool.drain()
        }
        try await eventually { live.value == 0 }
    }

    @Test func `while the database is away, one attempt at a time answers all who wait`() async throws {
        let attempts = Atomic(0)
        let isAway = Atomic(true)
        let pool = ConnectionPool(
            configuration: PoolConfiguration(longestPause: .milliseconds(20))
        ) { () async throws(DatabaseError) in
            attempts.add(1, ordering: .relaxed)
            if isAway.load(ordering: .relaxed) { throw Self.away }
            return FakeConnection()
        }
        let start = ContinuousClock.now
        for _ in 0..<3 {
            await #expect(throws: Self.away) { _ = try await pool.acquire() }
        }
        isAway.store(false, ordering: .relaxed)
        try await pool.withConnection { _ in }
        // One after the other, with pauses of 10 ms at least: on a busy machine, there is time for many.
        let elapsed = ContinuousClock.now - start
        let most = 5 + Int(elapsed / .milliseconds(10))
        #expect(attempts.load(ordering: .relaxed) <= most)
        await pool.drain()
    }

    @Test func `a connection that is lost is replaced, and one that comes back after a new beginning is closed`()
        async throws
    {
        let pool = ConnectionPool(configuration: PoolConfiguration(maximum: 2)) { () async throws(DatabaseError) in
            FakeConnection()
        }
        let lost = try await pool.acquire()
        lost.lose()
        pool.release(lost)
        let next = try await pool.acquire()
        #expect(next !== lost && lost.isClosed)
        pool.replaceAll()
        let other = try await pool.acquire()
        #expect(other !== next)
        pool.release(next)
        #expect(next.isClosed)
        pool.release(other)
        await pool.drain()
        await #expect(throws: DatabaseError.self) { _ = try await pool.acquire() }
    }

    @Test func `ten replicas and the one of an update fit into a server's hundred connections`() {
        // SPEC §6: at most 10 replicas, and an update starts one more; PostgreSQL reserves 3 of 100 for superusers.
        #expect(11 * PoolConfiguration().connectionsPerProcess <= 100 - 3)
    }
}
