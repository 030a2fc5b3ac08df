// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct HealthEngineTests {
    private func check(
        _ name: String = "thing",
        interval: Duration = .milliseconds(10),
        timeout: Duration = .seconds(5),
        run: @escaping @Sendable () async -> HealthReport
    ) -> HealthCheck {
        HealthCheck(
            name,
            readiness: .required,
            interval: interval,
            timeout: timeout,
            initial: HealthReport(status: .degraded),
            unanswered: HealthReport(status: .unhealthy, reason: "No answer."),
            run: run
        )
    }

    @Test func `every check is run at its interval until the engine is cancelled`() async throws {
        let runs = Atomic<Int>(0)
        let engine = HealthEngine(
            checks: [
                self.check {
                    runs.add(1, ordering: .relaxed)
                    return HealthReport(status: .healthy)
                }
            ],
            logger: RecordedLog().logger
        )
        let running = Task { try await engine.run() }
        while runs.load(ordering: .relaxed) < 5 { try await Task.sleep(for: .milliseconds(1)) }
        running.cancel()
        try await running.value
    }

    @Test func `looking at the snapshot runs no check`() async {
        let runs = Atomic<Int>(0)
        let engine = HealthEngine(
            checks: [
                self.check(interval: .seconds(3600)) {
                    runs.add(1, ordering: .relaxed)
                    return HealthReport(status: .healthy)
                }
            ],
            logger: RecordedLog().logger
        )
        await engine.runNow("thing")
        for _ in 0..<10_000 { _ = engine.snapshot }
        #expect(runs.load(ordering: .relaxed) == 1)
    }

    @Test func `a check that hangs is reported, cancelled, and not started a second time`() async throws {
        let runs = Atomic<Int>(0)
        let cancelled = Atomic<Int>(0)
        let gate = AsyncStream.makeStream(of: Void.self)
        let engine = HealthEngine(
            checks: [
                self.check(timeout: .milliseconds(10)) {
                    runs.add(1, ordering: .relaxed)
                    await withTaskCancellationHandler {
                        await withCheckedContinuation { continuation in
                            Task.detached {
                                for await _ in gate.stream {}
                                continuation.resume()
                            }
                        }
                    } onCancel: {
                        cancelled.add(1, ordering: .relaxed)
                    }
                    return HealthReport(status: .healthy)
                }
            ],
            logger: RecordedLog().logger
        )
        await engine.runNow("thing")
        #expect(engine.snapshot.status == .unhealthy)
        await engine.runNow("thing")
        await engine.runNow("thing")
        #expect(runs.load(ordering: .relaxed) == 1)
        #expect(cancelled.load(ordering: .relaxed) == 1)
        gate.continuation.finish()
        while engine.snapshot.status != .healthy {
            try await Task.sleep(for: .milliseconds(1))
            await engine.runNow("thing")
        }
        #expect(runs.load(ordering: .relaxed) >= 2)
    }

    @Test func `a run that is asked for while another is on its way comes after it, and nobody is called unanswered`()
        async
    {
        let runs = Atomic<Int>(0)
        let log = RecordedLog()
        let engine = HealthEngine(
            checks: [
                self.check(interval: .seconds(3600)) {
                    runs.add(1, ordering: .relaxed)
                    try? await Task.sleep(for: .milliseconds(20))
                    return HealthReport(status: .healthy)
                }
            ],
            logger: log.logger
        )
        await withDiscardingTaskGroup { group in
            for _ in 0..<3 { group.addTask { await engine.runNow("thing") } }
        }
        #expect(runs.load(ordering: .relaxed) == 3)
        #expect(!log.text.contains("No answer."))
    }

    @Test func `a change is logged once, with its reason`() async {
        let log = RecordedLog()
        let isBroken = Atomic<Bool>(true)
        let engine = HealthEngine(
            checks: [
                self.check {
                    isBroken.load(ordering: .relaxed)
                        ? HealthReport(status: .unhealthy, reason: "It is broken.") : HealthReport(status: .healthy)
                }
            ],
            logger: log.logger
        )
        for _ in 0..<3 { await engine.runNow("thing") }
        isBroken.store(false, ordering: .relaxed)
        for _ in 0..<3 { await engine.runNow("thing") }
        #expect(log.messages == ["Health check changed", "Health check changed"])
        #expect(log.text.contains("It is broken."))
    }

    @Test func `observers are told of changes, and of nothing else`() async {
        let changes = Atomic<Int>(0)
        let engine = HealthEngine(
            checks: [self.check { HealthReport(status: .healthy) }],
            logger: RecordedLog().logger
        )
        engine.onChange { changes.add(1, ordering: .relaxed) }
        await engine.runNow("thing")
        await engine.runNow("thing")
        await engine.runNow("no such check")
        #expect(changes.load(ordering: .relaxed) == 1)
    }

    @Test func `a picture that has become too old is not shown`() async throws {
        let engine = HealthEngine(
            checks: [self.check(interval: .milliseconds(1)) { HealthReport(status: .healthy) }],
            logger: RecordedLog().logger
        )
        await engine.runNow("thing")
        try await Task.sleep(for: .milliseconds(20))
        #expect(engine.snapshot.status == .unhealthy)
        #expect(!engine.snapshot.isReady)
    }
}
