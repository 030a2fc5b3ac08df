// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct HealthEngineTests {
    private let log = RecordedLog()
    /// Without the record of every run.
    private var logger: Logger {
        var logger = self.log.logger
        logger.logLevel = .info
        return logger
    }

    private func check(
        _ name: String = "thing",
        interval: Duration = .seconds(3600),
        timeout: Duration = .seconds(60),
        dependencies: [String] = [],
        run: @escaping @Sendable () async throws -> HealthReport = { HealthReport(status: .healthy) }
    ) -> HealthCheck {
        HealthCheck(
            name,
            readiness: .required,
            interval: interval,
            timeout: timeout,
            dependencies: dependencies,
            initial: HealthReport(status: .degraded),
            unanswered: HealthReport(status: .unhealthy, reason: "No answer."),
            run: run
        )
    }

    private func engine(_ checks: [HealthCheck], hidesReasons: Bool = false) -> HealthEngine {
        HealthEngine(checks: checks, hidesReasons: hidesReasons, logger: self.logger)
    }

    /// Runs the engine during `body`.
    private func running(_ engine: HealthEngine, _ body: () async throws -> Void) async throws {
        let task = Task { try await engine.run() }
        try await body()
        task.cancel()
        try await task.value
    }

    private func until(_ condition: @escaping @Sendable () -> Bool) async throws {
        while !condition() { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// Something to wait for that hears of no cancellation.
    private final class Gate: Sendable {
        private let state = Mutex<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))
        let passed = Atomic<Int>(0)
        let arrived = Atomic<Int>(0)

        func pass() async {
            self.arrived.add(1, ordering: .sequentiallyConsistent)
            await withCheckedContinuation { continuation in
                let isOpen = self.state.withLock { state in
                    if !state.isOpen { state.waiters.append(continuation) }
                    return state.isOpen
                }
                if isOpen { continuation.resume() }
            }
            self.passed.add(1, ordering: .sequentiallyConsistent)
        }

        func open() {
            let waiters = self.state.withLock { state in
                state.isOpen = true
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }

        var count: Int { self.arrived.load(ordering: .sequentiallyConsistent) }
    }

    /// Counts, and knows whether it is still there.
    private final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        var count: Int { self.value.load(ordering: .sequentiallyConsistent) }
        func add() { self.value.add(1, ordering: .sequentiallyConsistent) }
    }

    // MARK: Runs

    @Test func `every check is run at its interval until the engine is cancelled`() async throws {
        let runs = Counter()
        let engine = self.engine([
            self.check(interval: .milliseconds(2)) {
                runs.add()
                return HealthReport(status: .healthy)
            }
        ])
        try await self.running(engine) { try await self.until { runs.count >= 5 } }
    }

    @Test func `looking at the snapshot runs no check, failed or not`() async {
        let runs = Counter()
        let engine = self.engine([
            self.check {
                runs.add()
                return HealthReport(status: .unhealthy)
            }
        ])
        await engine.runNow("thing")
        for _ in 0..<10_000 { _ = engine.snapshot }
        #expect(runs.count == 1)
        #expect(engine.snapshot === engine.snapshot)
    }

    @Test func `ten thousand callers at once cause two runs at most`() async throws {
        let gate = Gate()
        let engine = self.engine([
            self.check {
                await gate.pass()
                return HealthReport(status: .healthy)
            }
        ])
        let called = Counter()
        await withDiscardingTaskGroup { group in
            for _ in 0..<10_000 {
                group.addTask {
                    called.add()
                    await engine.runNow("thing")
                }
            }
            group.addTask {
                while called.count < 10_000 { await Task.yield() }
                // The last of them may still be on their way in.
                try? await Task.sleep(for: .milliseconds(200))
                gate.open()
            }
        }
        #expect(gate.count <= 2)
        #expect(engine.snapshot.isReady)
    }

    @Test func `a caller who is cancelled does not wait any longer`() async throws {
        let gate = Gate()
        let engine = self.engine([
            self.check {
                await gate.pass()
                return HealthReport(status: .healthy)
            }
        ])
        let caller = Task { await engine.runNow("thing") }
        try await self.until { gate.count == 1 }
        caller.cancel()
        await caller.value
        #expect(gate.passed.load(ordering: .sequentiallyConsistent) == 0)
        gate.open()
    }

    @Test func `a newer report is never overwritten by an older one, and no run sees another`() async {
        let number = Atomic<Int>(0)
        let inside = Atomic<Int>(0)
        let slowLogger = Logger(label: "test") { _ in DawdlingHandler(base: self.logger) }
        let check = self.check {
            if inside.add(1, ordering: .sequentiallyConsistent).newValue != 1 { Issue.record("two at once") }
            let mine = number.add(1, ordering: .sequentiallyConsistent).newValue
            await Task.yield()
            inside.subtract(1, ordering: .sequentiallyConsistent)
            return HealthReport(status: .unhealthy, details: [("run", .integer(mine))], reason: "\(mine)")
        }
        let engine = HealthEngine(checks: [check], logger: slowLogger)
        for _ in 0..<500 {
            let begun = number.load(ordering: .sequentiallyConsistent)
            await withDiscardingTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        await engine.runNow("thing")
                        // Whoever has waited sees a run that began after the call.
                        guard case .integer(let shown)? = engine.snapshot.views.first?.report.details.first?.value,
                            shown > begun
                        else {
                            Issue.record("an older report")
                            return
                        }
                    }
                }
            }
        }
        let count = number.load(ordering: .sequentiallyConsistent)
        // Another thread may still be telling the log.
        while self.log.messages.count < count { try? await Task.sleep(for: .milliseconds(1)) }
        let reasons = self.log.text.split(separator: "\n").compactMap { line in
            line.split(separator: "health.reason\": ").last.flatMap { Int($0.prefix { $0.isNumber }) }
        }
        #expect(reasons.count == count)
        #expect(reasons == reasons.sorted())
    }

    @Test func `a check of one's own is a few lines`() async throws {
        struct OutOfPaper: Error {}
        let hasPaper = Atomic<Bool>(true)
        let engine = self.engine([])
        try engine.register(
            HealthCheck("printer", readiness: .required) {
                guard hasPaper.load(ordering: .relaxed) else { throw OutOfPaper() }
            }
        )
        #expect(!engine.snapshot.isReady)
        #expect(engine.snapshot.status == .degraded)
        #expect(!engine.isUp(["printer"]))
        await engine.runNow("printer")
        #expect(engine.isUp(["printer"]))
        hasPaper.store(false, ordering: .relaxed)
        await engine.runNow("printer")
        #expect(engine.snapshot.status == .unhealthy)
    }

    @Test func `a check that throws is down, and the log has the error's type alone`() async {
        struct LostPatient: Error, CustomStringConvertible { let description = "Ada Lovelace is lost" }
        let engine = self.engine([self.check { throw LostPatient() }])
        await engine.runNow("thing")
        #expect(engine.snapshot.status == .unhealthy)
        #expect(self.log.text.contains("LostPatient"))
        #expect(!self.log.text.contains("Lovelace"))
        #expect(!String(decoding: engine.snapshot.healthChecks, as: UTF8.self).contains("Lovelace"))
    }

    // MARK: Hanging

    @Test func `a check that hangs is reported, cancelled, and not started a second time`() async throws {
        let gate = Gate()
        let cancelled = Counter()
        let engine = self.engine([
            self.check(interval: .milliseconds(1), timeout: .milliseconds(10)) {
                await withTaskCancellationHandler {
                    await gate.pass()
                } onCancel: {
                    cancelled.add()
                }
                return HealthReport(status: .healthy)
            }
        ])
        try await self.running(engine) {
            try await self.until {
                engine.snapshot.views.first?.history.count == CheckView.historyLength && gate.count == 1
            }
            #expect(engine.snapshot.status == .unhealthy)
            await engine.runNow("thing")
            #expect(gate.count == 1)
            try await self.until { cancelled.count == 1 }
            gate.open()
            try await self.until { engine.snapshot.isReady }
        }
    }

    @Test func `nothing is kept for a check that is removed while it hangs, once it returns`() async throws {
        let gate = Gate()
        let engine = self.engine([])
        weak var weakCounter: Counter?
        func begin() async throws {
            let counter = Counter()
            weakCounter = counter
            try engine.register(
                self.check(timeout: .milliseconds(5)) {
                    counter.add()
                    await gate.pass()
                    return HealthReport(status: .healthy)
                }
            )
            await engine.runNow("thing")
        }
        try await begin()
        // It was given up on, perhaps before its thread got a processor.
        while weakCounter?.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(weakCounter?.count == 1)
        #expect(engine.remove("thing"))
        #expect(!engine.remove("thing"))
        gate.open()
        while weakCounter != nil { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test func `an engine that nobody has any more is gone, though a check of it hangs`() async throws {
        let gate = Gate()
        weak var engine: HealthEngine?
        func begin() async {
            let made = self.engine([
                self.check(timeout: .milliseconds(5)) {
                    await gate.pass()
                    return HealthReport(status: .healthy)
                }
            ])
            engine = made
            await made.runNow("thing")
        }
        await begin()
        while engine != nil { try await Task.sleep(for: .milliseconds(1)) }
        gate.open()
    }

    @Test func `the engine stops although a check hangs, whoever asks it to`() async throws {
        let gate = Gate()
        for isGraceful in [false, true] {
            let engine = self.engine([
                self.check {
                    await gate.pass()
                    return HealthReport(status: .healthy)
                }
            ])
            let before = gate.count
            let lifecycle = Lifecycle(
                configuration: ShutdownConfiguration(grace: .zero, deadline: .seconds(900)),
                logger: RecordedLog().logger,
                lastWords: { _ in },
                exit: { _ in }
            )
            let task = Task {
                if isGraceful { await lifecycle.runUntilCleanedUp([engine]) } else { try await engine.run() }
            }
            try await self.until { gate.count > before }
            let caller = Task { await engine.runNow("thing") }
            if isGraceful { lifecycle.stop(.sigterm) } else { task.cancel() }
            try await task.value
            #expect(gate.passed.load(ordering: .sequentiallyConsistent) == 0)
            caller.cancel()
            await caller.value
        }
        gate.open()
    }

    @Test func `a silence after the engine has stopped is no news for the log, and no health either`() async throws {
        var logger = self.logger
        logger.logLevel = .warning
        let engine = HealthEngine(checks: [self.check(interval: .milliseconds(50))], logger: logger)
        try await self.running(engine) { try await self.until { engine.snapshot.isReady } }
        let warnings = self.log.messages.count
        try await self.until { !engine.snapshot.isReady }
        #expect(engine.lastSnapshot.status == .unhealthy)
        #expect(self.log.messages.count == warnings)
    }

    // MARK: Coming and going

    @Test func `checks come and go while the engine runs`() async throws {
        let engine = self.engine([self.check("first")])
        let runs = Counter()
        try await self.running(engine) {
            try engine.register(
                self.check("second", interval: .milliseconds(1)) {
                    runs.add()
                    return HealthReport(status: .healthy)
                }
            )
            try await self.until { runs.count > 3 && engine.isUp(["first", "second"]) }
            let error = #expect(throws: HealthCheckError.self) { try engine.register(self.check("second")) }
            #expect(error?.code == .duplicateName)
            engine.remove("second")
            #expect(engine.snapshot.views.map(\.check.name) == ["first"])
            #expect(!engine.isUp(["second"]))
        }
    }

    @Test func `a run of a check that is removed is cancelled, and its report is not its successor's`() async throws {
        let gate = Gate()
        let cancelled = Counter()
        let engine = self.engine([
            self.check {
                await withTaskCancellationHandler {
                    await gate.pass()
                } onCancel: {
                    cancelled.add()
                }
                return HealthReport(status: .unhealthy, reason: "That of the old one.")
            }
        ])
        let caller = Task { await engine.runNow("thing") }
        try await self.until { gate.count == 1 }
        engine.remove("thing")
        await caller.value
        try engine.register(self.check())
        await engine.runNow("thing")
        try await self.until { cancelled.count == 1 }
        gate.open()
        try await self.until { gate.passed.load(ordering: .sequentiallyConsistent) == 1 }
        await engine.runNow("thing")
        #expect(engine.snapshot.status == .healthy)
        #expect(!self.log.text.contains("That of the old one."))
    }

    @Test func `registering, removing, running and reading from everywhere at once leaves a whole picture`() async {
        let engine = self.engine([self.check("base", interval: .milliseconds(1))])
        let running = Task { try? await engine.run() }
        await withDiscardingTaskGroup { group in
            for worker in 0..<8 {
                group.addTask {
                    var random = SplitMix(state: UInt64(worker))
                    for _ in 0..<200 {
                        let name = "check\(random.next() % 4)"
                        switch random.next() % 4 {
                        case 0:
                            try? engine.register(self.check(name, interval: .milliseconds(1), dependencies: ["base"]))
                        case 1: engine.remove(name)
                        case 2: await engine.runNow(name)
                        default:
                            let snapshot = engine.snapshot
                            let names = snapshot.views.map(\.check.name)
                            if Set(names).count != names.count { Issue.record("a name twice") }
                        }
                    }
                }
            }
        }
        running.cancel()
        await running.value
        #expect(engine.snapshot.view(named: "base") != nil)
    }

    // MARK: Dependencies

    @Test func `a check runs at once when what it depends on is up again, and raises no alarm before`() async throws {
        let isUp = Atomic<Bool>(false)
        let runs = Counter()
        let engine = self.engine([
            self.check("queue", dependencies: ["database"]) {
                runs.add()
                return HealthReport(status: .healthy)
            },
            self.check("database") { HealthReport(status: isUp.load(ordering: .relaxed) ? .healthy : .unhealthy) },
        ])
        try await self.running(engine) {
            try await self.until { engine.snapshot.view(named: "database")?.lastRun != nil }
            #expect(engine.snapshot.view(named: "queue")?.standing == .unknown)
            await engine.runNow("queue")
            #expect(runs.count == 0)
            isUp.store(true, ordering: .relaxed)
            await engine.runNow("database")
            try await self.until { engine.isUp(["queue"]) }
            #expect(runs.count == 1)
        }
    }

    // MARK: The log and the observers

    @Test func `a change is logged once, with its reason, and with an id while it is down`() async throws {
        let isBroken = Atomic<Bool>(true)
        let engine = HealthEngine(
            checks: [
                self.check {
                    isBroken.load(ordering: .relaxed)
                        ? HealthReport(status: .unhealthy, reason: "It is broken.") : HealthReport(status: .healthy)
                }
            ],
            random: { 0xfeed },
            logger: self.logger
        )
        for _ in 0..<3 { await engine.runNow("thing") }
        #expect(engine.snapshot.views.first?.failureID == "000000000000feed")
        #expect(
            String(decoding: engine.snapshot.healthChecks, as: UTF8.self)
                == #""thing":{"status":"unhealthy","id":"000000000000feed"}"#
        )
        isBroken.store(false, ordering: .relaxed)
        for _ in 0..<3 { await engine.runNow("thing") }
        #expect(self.log.messages == ["Health check changed", "Health check changed"])
        let lines = self.log.text.split(separator: "\n")
        for part in ["It is broken.", "000000000000feed", "unhealthy", "thing"] { #expect(lines[0].contains(part)) }
        #expect(!lines[1].contains("error.id"))
    }

    @Test func `a warning is for what is down, and for nothing else`() async throws {
        var logger = self.logger
        logger.logLevel = .warning
        let status = Mutex(HealthStatus.healthy)
        let graced = HealthCheck("graced", startUpGrace: .seconds(3600)) { throw CancellationError() }
        let engine = HealthEngine(
            checks: [
                self.check("thing") { HealthReport(status: status.withLock { $0 }) },
                self.check("other", dependencies: ["thing"]), graced,
            ],
            logger: logger
        )
        await engine.runNow("graced")
        await engine.runNow("thing")
        await engine.runNow("other")
        #expect(self.log.messages.isEmpty)
        #expect(engine.isUp(["thing", "other"]))
        status.withLock { $0 = .degraded }
        await engine.runNow("thing")
        #expect(self.log.messages == ["Health check changed"])
        #expect(!self.log.text.contains("other"))
    }

    @Test func `observers are told of changes, and of nothing else`() async {
        let changes = Counter()
        let engine = self.engine([self.check()])
        engine.onChange { changes.add() }
        await engine.runNow("thing")
        await engine.runNow("thing")
        await engine.runNow("no such check")
        #expect(changes.count == 1)
    }

    @Test func `a picture that has become too old is not shown, and that is a change`() async throws {
        let engine = self.engine([self.check(interval: .milliseconds(1))])
        let changes = Counter()
        engine.onChange { changes.add() }
        await engine.runNow("thing")
        // What the check said before it ran may have become too old as well.
        let (told, logged) = (changes.count, self.log.messages.count)
        try await Task.sleep(for: .milliseconds(20))
        #expect(engine.snapshot.status == .unhealthy)
        #expect(!engine.snapshot.isReady)
        #expect(engine.snapshot.views.first?.failureID != nil)
        #expect(changes.count == told + 1)
        #expect(self.log.messages.count == logged + 1)
    }

    // MARK: Traps

    @Test func `a check that traps is unanswered, and the engine goes on`() async {
        await #expect(processExitsWith: .exitCode(70)) {
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let lifecycle = Lifecycle(
                configuration: ShutdownConfiguration(drainDelay: .seconds(60), grace: .zero, deadline: .seconds(120)),
                logger: logger,
                lastWords: { _ in },
                exit: { _exit($0) }
            )
            guard
                (try? CrashGuard.install(
                    around: lifecycle, recordingIn: nil, standardError: .logged, logger: logger)) != nil
            else { _exit(9) }
            let runs = Atomic<Int>(0)
            let trapping = HealthCheck("trapping", interval: .milliseconds(10), timeout: .milliseconds(20)) {
                runs.add(1, ordering: .relaxed)
                let none: [Int] = []
                print(none[runs.load(ordering: .relaxed)])
            }
            let works = Atomic<Int>(0)
            let working = HealthCheck("working", interval: .milliseconds(10)) { works.add(1, ordering: .relaxed) }
            let engine = HealthEngine(checks: [trapping, working], logger: logger)
            let running = Task { try await engine.run() }
            while engine.snapshot.view(named: "trapping")?.history.count != CheckView.historyLength {
                try await Task.sleep(for: .milliseconds(1))
            }
            while works.load(ordering: .relaxed) < 10 || !engine.isUp(["working"]) {
                try await Task.sleep(for: .milliseconds(1))
            }
            guard runs.load(ordering: .relaxed) == 1, engine.snapshot.view(named: "trapping")?.standing == .down else {
                _exit(10)
            }
            running.cancel()
            try await running.value
            _exit(70)
        }
    }
}

/// Takes its time for some records, so that whoever logs the next one could overtake.
private struct DawdlingHandler: LogHandler {
    let base: Logger
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if Bool.random() { usleep(300) }
        self.base.log(level: event.level, event.message, metadata: event.metadata)
    }
}
