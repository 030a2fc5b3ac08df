// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

/// What a contained trap does to work, seen without one: a task that never ends stands for the one that was lost.
@Suite struct LifecycleTrapTests {
    private func trap(_ work: UInt) -> ContainedTrap {
        ContainedTrap(signal: "SIGILL", threadID: 1, threadName: "med-tasks", work: work, addresses: [])
    }

    /// Waits for ever; the continuation is kept, so that nothing complains about it.
    private func hang() async -> UInt {
        await withCheckedContinuation { continuation in
            Self.lost.withLock { $0.append(continuation) }
        }
    }

    private static let lost = Mutex<[CheckedContinuation<UInt, Never>]>([])

    @Test func `whoever waits for lost work is told, and the process ends with 70`() async throws {
        let fixture = LifecycleTests.Fixture()
        let ids = AsyncStream.makeStream(of: UInt.self)
        fixture.lifecycle.started()
        async let result: Result<UInt, LifecycleError> = {
            do {
                return .success(
                    try await fixture.lifecycle.withWork("lost") {
                        ids.continuation.yield(Lifecycle.currentWork)
                        return await self.hang()
                    }
                )
            } catch let error as LifecycleError {
                return .failure(error)
            } catch {
                return .failure(.shuttingDown)
            }
        }()
        let id = try #require(await ids.stream.first { _ in true })
        #expect(fixture.lifecycle.work.entry(id)?.workName == "lost")
        fixture.lifecycle.contain(self.trap(id))
        #expect(await result == .failure(.trapped))
        #expect(await fixture.exitCode() == 70)
        #expect(fixture.lifecycle.work.count == 0)
        let receipt = try #require(await fixture.receipt())
        #expect(receipt.trigger == .uncaughtException)
        // It was in flight when the shutdown began, although nobody waits for it any more.
        #expect(receipt.inFlightAtStart == 1)
        #expect(receipt.abandoned == 0)
    }

    @Test func `work inside lost work is lost with it, and what must be undone is undone, the last first`() async throws
    {
        let fixture = LifecycleTests.Fixture()
        let ids = AsyncStream.makeStream(of: UInt.self)
        let undone = Mutex<[String]>([])
        try fixture.lifecycle.supervise("outer") {
            try await fixture.lifecycle.withTrapHandler {
                undone.withLock { $0.append("first") }
            } _: {
                try await fixture.lifecycle.accounting("inner") {
                    await fixture.lifecycle.withTrapHandler {
                        undone.withLock { $0.append("second") }
                    } _: {
                        await fixture.lifecycle.withTrapHandler {
                            undone.withLock { $0.append("never") }
                        } _: {
                        }
                        ids.continuation.yield(Lifecycle.currentWork)
                        _ = await self.hang()
                    }
                }
            }
        }
        let id = try #require(await ids.stream.first { _ in true })
        #expect(fixture.lifecycle.work.count == 2)
        fixture.lifecycle.contain(self.trap(id))
        #expect(undone.withLock { $0 } == ["second", "first"])
        #expect(fixture.lifecycle.work.count == 0)
        #expect(await fixture.exitCode() == 70)
    }

    @Test func `other work is finished undisturbed`() async throws {
        let fixture = LifecycleTests.Fixture()
        let ids = AsyncStream.makeStream(of: UInt.self)
        let gate = AsyncStream.makeStream(of: Void.self)
        try fixture.lifecycle.supervise("lost") {
            ids.continuation.yield(Lifecycle.currentWork)
            _ = await self.hang()
        }
        async let other = fixture.lifecycle.withWork("other") {
            for await _ in gate.stream { break }
            return !Task.isCancelled
        }
        let id = try #require(await ids.stream.first { _ in true })
        while fixture.lifecycle.work.count < 2 { await Task.yield() }
        fixture.lifecycle.contain(self.trap(id))
        while fixture.lifecycle.phase != .finishing { await Task.yield() }
        #expect(fixture.lifecycle.work.count == 1)
        gate.continuation.yield()
        #expect(try await other)
        #expect(await fixture.exitCode() == 70)
    }

    @Test func `a trap of nobody's work begins the shutdown`() async {
        let fixture = LifecycleTests.Fixture()
        let seen = Mutex<[Int32]>([])
        fixture.lifecycle.onTrap { trap in seen.withLock { $0.append(trap.threadID) } }
        fixture.lifecycle.contain(self.trap(0))
        #expect(await fixture.exitCode() == 70)
        #expect(seen.withLock { $0 } == [1])
    }

    @Test func `a trap of work that has ended since is nobody's`() async throws {
        let fixture = LifecycleTests.Fixture()
        let id = try await fixture.lifecycle.withWork("ended") { Lifecycle.currentWork }
        // Whatever is made at the same place in memory has another identity.
        async let other = fixture.lifecycle.withWork("other") { Lifecycle.currentWork }
        #expect(try await other != id)
        fixture.lifecycle.contain(self.trap(id))
        #expect(await fixture.exitCode() == 70)
    }

    @Test func `a step of the clean-up that waits for a lost task is given up, and those after it are done`() async {
        let fixture = LifecycleTests.Fixture()
        let done = Mutex<[String]>([])
        fixture.lifecycle.onCleanUp("last") { done.withLock { $0.append("last") } }
        // Not even its thread is needed for what follows.
        fixture.lifecycle.onCleanUp("blocks") { DispatchSemaphore(value: 0).blockForEver() }
        fixture.lifecycle.onCleanUp("hangs") { _ = await self.hang() }
        fixture.lifecycle.onCleanUp("first") { done.withLock { $0.append("first") } }
        fixture.lifecycle.contain(self.trap(0))
        #expect(await fixture.exitCode() == 70)
        #expect(done.withLock { $0 } == ["first", "last"])
        #expect(fixture.log.messages.count { $0 == "A step of the clean-up does not end" } == 2)
    }

    @Test func `without a trap a step of the clean-up has all the time until the deadline`() async {
        let fixture = LifecycleTests.Fixture(deadline: .seconds(5))
        fixture.lifecycle.onCleanUp("hangs") { _ = await self.hang() }
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 1)
        #expect(!fixture.log.messages.contains("A step of the clean-up does not end"))
    }
}

extension DispatchSemaphore {
    fileprivate func blockForEver() { self.wait() }
}
