// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

/// What application code does to a shutdown when it does what it should not.
@Suite struct LifecycleMisuseTests {
    @Test func `what a task that has outlived its work begins is refused like anything from outside`() async throws {
        let fixture = LifecycleTests.Fixture()
        let results = AsyncStream.makeStream(of: LifecycleError.self)
        let gate = AsyncStream.makeStream(of: Void.self)
        fixture.lifecycle.onCleanUp("waits for the attempt") {
            gate.continuation.yield()
            for await _ in results.stream { break }
        }
        try await fixture.lifecycle.withWork("request") {
            Task {
                for await _ in gate.stream { break }
                do {
                    try await fixture.lifecycle.withWork("late") {}
                } catch let error as LifecycleError {
                    results.continuation.yield(error)
                }
            }
            return ()
        }
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 0)
        #expect(await fixture.receipt()?.abandoned == 0)
    }

    @Test func `work inside work is taken however the outer one was entered`() async throws {
        let fixture = LifecycleTests.Fixture()
        try await fixture.lifecycle.accounting("outer") {
            fixture.lifecycle.stop(.sigterm)
            while fixture.lifecycle.phase != .finishing { await Task.yield() }
            try await fixture.lifecycle.accounting("inner") {}
            try await fixture.lifecycle.withWork("inner") {}
        }
        #expect(await fixture.exitCode() == 0)
    }

    @Test func `the deadline is kept although an observer blocked the conductor before the trigger came`() async {
        let fixture = LifecycleTests.Fixture(deadline: .milliseconds(100))
        let blocked = DispatchSemaphore(value: 0)
        fixture.lifecycle.onPhase { if $0 == .serving { blocked.wait() } }
        fixture.lifecycle.started()
        while fixture.lifecycle.phase != .serving { await Task.yield() }
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 1)
        blocked.signal()
    }

    @Test func `a cancellation handler that blocks does not hold up a second signal`() async {
        let blocked = DispatchSemaphore(value: 0)
        let exits = AsyncStream.makeStream(of: Int32.self)
        let lifecycle = Lifecycle(
            configuration: ShutdownConfiguration(grace: .milliseconds(10), deadline: .seconds(900)),
            logger: RecordedLog().logger,
            exit: { code in
                exits.continuation.yield(code)
                blocked.signal()
            }
        )
        let work = Task {
            try await lifecycle.withWork("work") {
                await withTaskCancellationHandler {
                    try? await Task.sleep(for: .seconds(3600))
                } onCancel: {
                    // Until the exit, which therefore nothing here may be needed for.
                    lifecycle.stop(.sigterm)
                    blocked.wait()
                }
            }
        }
        while lifecycle.work.count == 0 { await Task.yield() }
        lifecycle.stop(.sigterm)
        #expect(await exits.stream.first { _ in true } == 2)
        _ = await work.result
    }

    @Test func `a receipt that was written before the deadline is the one that counts`() async {
        let written = Mutex<Int32?>(nil)
        let blocked = DispatchSemaphore(value: 0)
        let exits = AsyncStream.makeStream(of: Int32.self)
        let lifecycle = Lifecycle(
            configuration: ShutdownConfiguration(deadline: .milliseconds(200)),
            logger: RecordedLog().logger,
            lastWords: { receipt in
                written.withLock { $0 = receipt.exitCode }
                blocked.wait()
            },
            exit: { exits.continuation.yield($0) }
        )
        lifecycle.stop(.sigterm)
        let code = await exits.stream.first { _ in true }
        while written.withLock({ $0 }) == nil { try? await Task.sleep(for: .milliseconds(1)) }
        #expect(code == written.withLock { $0 })
        blocked.signal()
    }
}
