// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Dispatch
import Foundation
@testable import MedPostgres
import MedStorage
import MedTesting
import Synchronization
import Testing

@Suite struct ExecutorTests {
    /// The name of the thread that runs the caller just now.
    private func thread() -> String? { Thread.current.name }

    @Test func `a task stays on the thread that reads, and others get their answers meanwhile`() async throws {
        try await withDatabase(configuration: PoolConfiguration(maximum: 8, acquireTimeout: .seconds(60))) { database in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for caller in 0..<40 {
                    group.addTask(executorPreference: caller % 2 == 0 ? database.taskExecutor : nil) {
                        for number in 0..<20 {
                            let asked = caller * 100 + number
                            let answer: Int = try await database.transaction { transaction in
                                _ = try await transaction.query("SELECT 1")
                                return try await transaction.query("SELECT \(asked)::int8")[0].decode(0)
                            }
                            #expect(answer == asked)
                            #expect((self.thread() == "MedPostgres") == (caller % 2 == 0))
                        }
                        return true
                    }
                }
                let ended = try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                #expect(ended == 40)
            }
        }
    }

    @Test func `before the start and after the end a task runs elsewhere`() async throws {
        let database = try makeDatabase(try await SharedServer.shared.createDatabase())
        let ask = { await Task(executorPreference: database.taskExecutor) { self.thread() }.value }
        #expect(await ask() != "MedPostgres")
        try await database.open()
        #expect(await ask() == "MedPostgres")
        await database.close()
        #expect(await ask() != "MedPostgres")
    }

    @Test func `a task that blocks the thread costs a new one, and leaves no other task waiting`() async throws {
        try await withDatabase { database in
            let (isBlocking, end) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let blocking = Task(executorPreference: database.taskExecutor) {
                isBlocking.signal()
                self.block(until: end)
            }
            try await onThread { isBlocking.wait() }
            let behind = (0..<100).map { number in
                Task(executorPreference: database.taskExecutor) {
                    try await database.query("SELECT \(number)::int8")[0].decode(0, as: Int.self)
                }
            }
            // The check finds the thread dead after 5 s, and has another one made.
            while await database.check().status != .connected { try await Task.sleep(for: .milliseconds(100)) }
            for (number, task) in behind.enumerated() {
                // An error is one, too: between the old driver and the new one the database is closed for a moment.
                if case .success(let answer) = await task.result { #expect(answer == number) }
            }
            let answer = try await database.query("SELECT 1")[0].decode(0, as: Int.self)
            #expect(answer == 1)
            end.signal()
            await blocking.value
        }
    }

    private func block(until end: DispatchSemaphore) { end.wait() }

    @Test func `whatever is enqueued while the thread ends still runs`() async throws {
        for _ in 0..<50 {
            let reactor = try Reactor()
            let executor = PostgresExecutor()
            executor.use(reactor)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask(executorPreference: executor) { await Task.yield() } }
                group.addTask { reactor.stop() }
                for _ in 0..<50 { group.addTask(executorPreference: executor) { await Task.yield() } }
            }
        }
    }

    @Test func `a COPY that never waits for the server lets others have their turns`() async throws {
        try await withDatabase { database in
            _ = try await database.transaction { try await $0.execute("CREATE TABLE copied (number int8, text text)") }
            let answers = Count()
            let copying = Task(executorPreference: database.taskExecutor) {
                let rows = SlowRows(whileBelow: 20, answers)
                return try await database.transaction { transaction in
                    try await transaction.copy(into: "copied", columns: ["number", "text"], rows: rows)
                }
            }
            let asking = Task(executorPreference: database.taskExecutor) {
                for _ in 0..<20 {
                    _ = try await database.query("SELECT 1")
                    answers.add(1)
                }
            }
            try await asking.value
            let copied = try await copying.value
            #expect(copied < SlowRows.limit)
        }
    }

    @Test func `many tasks that are busy keep no time limit from being looked at`() async throws {
        let reactor = try Reactor()
        let executor = PostgresExecutor()
        executor.use(reactor)
        let ticks = Ticks()
        let descriptor = eventfd(0, 0)
        defer { Glibc.close(descriptor) }
        let token = try #require(reactor.add(ticks, descriptor: descriptor))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask(executorPreference: executor) { compute(for: .milliseconds(20)) } }
        }
        // A second's work, within which there are ten.
        #expect(ticks.count.value >= 5)
        reactor.remove(descriptor, token: token)
        reactor.stop()
    }
}

private func compute(for time: Duration) {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end {}
}

private final class Count: Sendable {
    private let number = Atomic(0)

    var value: Int { self.number.load(ordering: .relaxed) }

    func add(_ more: Int) { self.number.add(more, ordering: .relaxed) }
}

/// Counts how often time limits are looked at.
private final class Ticks: Reactor.Source {
    let count = Count()

    func isReady(toRead: Bool, toWrite: Bool, mayWait: Bool) -> Bool { true }
    func tick(now: ContinuousClock.Instant) { self.count.add(1) }
    func reactorStopped() {}
}

/// Rows that are made more slowly than the server takes them, so that its socket always has room. They end when others have had their turns.
private struct SlowRows: Sequence, IteratorProtocol, Sendable {
    static let limit = 40_000

    private let enough: Int
    private let answers: Count
    private let text = String(repeating: "x", count: 1_000)
    private var number = 0

    init(whileBelow enough: Int, _ answers: Count) {
        self.enough = enough
        self.answers = answers
    }

    mutating func next() -> [SQLValue]? {
        guard self.number < Self.limit, self.answers.value < self.enough else { return nil }
        compute(for: .microseconds(20))
        self.number += 1
        return [.integer(Int64(self.number)), .text(self.text)]
    }
}
