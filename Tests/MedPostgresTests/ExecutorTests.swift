// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
@testable import MedPostgres
import MedStorage
import MedTesting
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
}
