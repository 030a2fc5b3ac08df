// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Logging
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct LifecycleTests {
    /// A lifecycle whose exit is a value to wait for.
    struct Fixture: Sendable {
        let lifecycle: Lifecycle
        let log = RecordedLog()
        let receipts = AsyncStream.makeStream(of: ShutdownReceipt.self)
        private let exits = AsyncStream.makeStream(of: Int32.self)

        init(drainDelay: Duration = .zero, grace: Duration = .seconds(600), deadline: Duration = .seconds(900)) {
            let (receipts, exits) = (self.receipts.continuation, self.exits.continuation)
            self.lifecycle = Lifecycle(
                configuration: ShutdownConfiguration(drainDelay: drainDelay, grace: grace, deadline: deadline),
                logger: self.log.logger,
                lastWords: { receipts.yield($0) },
                exit: { exits.yield($0) }
            )
        }

        func exitCode() async -> Int32? { await self.exits.stream.first { _ in true } }

        func receipt() async -> ShutdownReceipt? { await self.receipts.stream.first { _ in true } }
    }

    struct Failure: Error {}

    @Test func `a signal ends an idle process with its four sentences and 0`() async {
        let fixture = Fixture()
        fixture.lifecycle.started()
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 0)
        #expect(
            fixture.log.messages == [
                "SIGTERM received, starting graceful shutdown...",
                "Server closed, cleaning up resources...",
                "Graceful shutdown complete",
            ]
        )
    }

    @Test func `phases are told in order`() async {
        let fixture = Fixture()
        let phases = Mutex<[Phase]>([])
        fixture.lifecycle.onPhase { phase in phases.withLock { $0.append(phase) } }
        fixture.lifecycle.started()
        fixture.lifecycle.stop(.sigterm)
        _ = await fixture.exitCode()
        #expect(phases.withLock { $0 } == [.serving, .draining, .finishing, .cleaningUp, .stopped])
    }

    @Test func `the exit waits for work in flight, which is not disturbed`() async throws {
        let fixture = Fixture()
        fixture.lifecycle.started()
        let gate = AsyncStream.makeStream(of: Void.self)
        let began = AsyncStream.makeStream(of: Void.self)
        let work = Task {
            try await fixture.lifecycle.withWork("report") {
                began.continuation.finish()
                for await _ in gate.stream {}
                return Task.isCancelled ? "cancelled" : "finished"
            }
        }
        for await _ in began.stream {}
        fixture.lifecycle.stop(.sigterm)
        await reached(.finishing, by: fixture.lifecycle)
        await #expect(throws: LifecycleError.shuttingDown) {
            try await fixture.lifecycle.withWork("late") {}
        }
        gate.continuation.finish()
        #expect(try await work.value == "finished")
        #expect(await fixture.exitCode() == 0)
    }

    @Test func `work inside work is accepted to the end`() async throws {
        let fixture = Fixture()
        let result = try await fixture.lifecycle.withWork("request") {
            fixture.lifecycle.stop(.sigterm)
            await reached(.finishing, by: fixture.lifecycle)
            return try await fixture.lifecycle.withWork("transaction") {
                try await fixture.lifecycle.accounting("statement") { fixture.lifecycle.work.count }
            }
        }
        #expect(result == 3)
        #expect(await fixture.exitCode() == 0)
    }

    @Test func `work that outlives the grace is cancelled, and the receipt counts it`() async {
        let fixture = Fixture(grace: .milliseconds(20))
        let work = Task {
            try await fixture.lifecycle.withWork("endless") { try await Task.sleep(for: .seconds(3600)) }
        }
        await begun(fixture.lifecycle)
        fixture.lifecycle.stop(.sigint)
        await #expect(throws: CancellationError.self) { try await work.value }
        let receipt = await fixture.receipt()
        #expect(receipt?.inFlightAtStart == 1)
        #expect(receipt?.cancelled == 1)
        #expect(receipt?.abandoned == 0)
        #expect(receipt?.outcome == .graceful)
        #expect(fixture.log.messages.contains("Grace is over, cancelling"))
        #expect(fixture.log.text.contains("endless ×1"))
    }

    @Test func `the deadline ends it with 1 when work ignores the cancellation, and the log names the work`() async {
        let fixture = Fixture(grace: .milliseconds(10), deadline: .milliseconds(60))
        let gate = AsyncStream.makeStream(of: Void.self)
        Task {
            try await fixture.lifecycle.withWork("stubborn") {
                await withCheckedContinuation { continuation in
                    Task.detached {
                        for await _ in gate.stream {}
                        continuation.resume()
                    }
                }
            }
        }
        await begun(fixture.lifecycle)
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 1)
        // The exit does not wait for whoever says so, if that thread gets no processor.
        while !fixture.log.messages.contains("Forced shutdown after timeout") {
            try? await Task.sleep(for: .milliseconds(1))
        }
        #expect(fixture.log.messages.last == "Forced shutdown after timeout")
        #expect(fixture.log.text.contains("stubborn ×1"))
        gate.continuation.finish()
    }

    @Test func `the deadline ends it with 1 although the conductor is stuck`() async {
        let fixture = Fixture(deadline: .milliseconds(20))
        let gate = DispatchSemaphore(value: 0)
        fixture.lifecycle.onPhase { phase in
            if phase == .draining { gate.wait() }
        }
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 1)
        gate.signal()
    }

    @Test func `a second signal ends it with 2 while work is in flight`() async {
        let fixture = Fixture()
        let work = Task {
            try await fixture.lifecycle.withWork("long") { try await Task.sleep(for: .seconds(3600)) }
        }
        await begun(fixture.lifecycle)
        fixture.lifecycle.stop(.sigterm)
        fixture.lifecycle.stop(.sigint)
        #expect(await fixture.exitCode() == 2)
        work.cancel()
    }

    @Test func `an error out of a background task begins a shutdown that ends with 70`() async throws {
        let fixture = Fixture()
        try fixture.lifecycle.supervise("import") { throw Failure() }
        #expect(await fixture.exitCode() == 70)
        #expect(fixture.log.messages.contains("UNHANDLED_REJECTION received, starting graceful shutdown..."))
        #expect(fixture.log.text.contains("Failure"))
    }

    @Test func `a background task that a shutdown cancels is no failure`() async throws {
        let fixture = Fixture(grace: .milliseconds(10))
        try fixture.lifecycle.supervise("poll") { try await Task.sleep(for: .seconds(3600)) }
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 0)
    }

    @Test func `what was opened last is cleaned up first, and all of it before the exit`() async {
        let fixture = Fixture()
        let steps = Mutex<[String]>([])
        for name in ["database", "services", "start-up"] {
            fixture.lifecycle.onCleanUp(name) { steps.withLock { $0.append(name) } }
        }
        fixture.lifecycle.stop(.sigterm)
        _ = await fixture.exitCode()
        #expect(steps.withLock { $0 } == ["start-up", "services", "database"])
    }

    @Test func `requests are still accepted during the drain delay`() async throws {
        let fixture = Fixture(drainDelay: .seconds(600))
        fixture.lifecycle.stop(.sigterm)
        await reached(.draining, by: fixture.lifecycle)
        #expect(try await fixture.lifecycle.withWork("late request") { 1 } == 1)
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 2)
    }

    @Test func `the drain delay ends early once a prober has noticed and no request comes`() async throws {
        let fixture = Fixture(drainDelay: .seconds(600))
        fixture.lifecycle.stop(.sigterm)
        await reached(.draining, by: fixture.lifecycle)
        for _ in 0..<Lifecycle.unreadyAnswersNeeded { fixture.lifecycle.unreadinessWasAnswered() }
        let receipt = try #require(await fixture.receipt())
        #expect(receipt.duration >= Lifecycle.quietTime)
        #expect(receipt.duration < .seconds(600))
    }

    @Test func `a thousand lives with random timing all end, and none with work in flight`() async throws {
        let codes = await withTaskGroup(of: Int32?.self, returning: [Int32?].self) { group in
            var codes: [Int32?] = []
            for life in 0..<1000 {
                // Each life has threads of its own: so many at once, and no more.
                if life >= 32, let code = await group.next() { codes.append(code) }
                group.addTask {
                    let fixture = Fixture(
                        drainDelay: .microseconds(Int.random(in: 0...500)),
                        grace: .milliseconds(Int.random(in: 0...2))
                    )
                    await withTaskGroup(of: Void.self) { tasks in
                        for _ in 0..<Int.random(in: 0...8) {
                            tasks.addTask {
                                try? await Task.sleep(for: .microseconds(Int.random(in: 0...1500)))
                                try? await fixture.lifecycle.withWork("work") {
                                    try await Task.sleep(for: .microseconds(Int.random(in: 0...3000)))
                                    try await fixture.lifecycle.withWork("inner") { await Task.yield() }
                                }
                            }
                        }
                        tasks.addTask { fixture.lifecycle.started() }
                        tasks.addTask {
                            try? await Task.sleep(for: .microseconds(Int.random(in: 0...1500)))
                            fixture.lifecycle.stop(.sigterm)
                        }
                    }
                    guard await fixture.receipt()?.abandoned == 0 else { return nil }
                    return await fixture.exitCode()
                }
            }
            for await code in group { codes.append(code) }
            return codes
        }
        #expect(codes.count == 1000)
        #expect(codes.allSatisfy { $0 == 0 })
    }
}
