// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
public import ServiceLifecycle
import Synchronization

/// Runs the checks in the background and keeps the picture that the probes show.
///
/// A probe never causes a check: however often `/health` is asked, the dependencies see one question an interval.
/// A run that does not come back in time is cancelled, reported and left alone; no second one of its kind is started beside
/// it. Checks come and go at any time:
///
/// ```swift
/// let engine = HealthEngine(checks: [], logger: logger)
/// try engine.register(HealthCheck("printer", interval: .seconds(30)) { try await printer.ping() })
/// try await engine.run()
/// ```
public final class HealthEngine: Service {
    private struct State {
        var ledger: HealthLedger
        /// The runs that are neither back nor given up.
        var tasks: [CheckState.RunID: Task<Void, Never>] = [:]
        var alarm: Alarm?
        var alarmCount = 0
        var observers: [@Sendable () -> Void] = []
        /// What the log and the observers are not told yet, in order.
        var untold: [CheckState.Record] = []
        var isTelling = false
    }

    /// Calls when the ledger has something to do.
    private struct Alarm {
        let number: Int
        let instant: SuspendingClock.Instant
        let task: Task<Void, any Error>
    }

    private let state: Mutex<State>
    /// Apart from the rest, so that a probe waits for nothing but the exchange of a reference.
    private let published: Mutex<HealthSnapshot>
    private let hidesReasons: Bool
    private let wallClock: @Sendable () -> Timestamp
    private let random: @Sendable () -> UInt64
    private let logger: Logger
    private let clock = SuspendingClock()

    /// Creates an engine that shows each check's initial report until it has run.
    ///
    /// It traps if a check or a group cannot be registered, which is a mistake of the program; see ``HealthCheckError``.
    ///
    /// - Parameters:
    ///   - checks: may depend on each other in any order.
    ///   - groups: see ``HealthGroup``.
    ///   - hidesReasons: whether `/health` says no more of a failed check than its status and the `id` of the log record
    ///     that has the reason, as it should in production.
    ///   - wallClock: the time of day.
    ///   - random: 64 random bits.
    ///   - logger: receives a record whenever a check has changed.
    public convenience init(
        checks: [HealthCheck],
        groups: [HealthGroup] = [],
        hidesReasons: Bool = true,
        wallClock: @escaping @Sendable () -> Timestamp = { .now },
        random: @escaping @Sendable () -> UInt64 = { .random(in: .min ... .max) },
        logger: Logger
    ) {
        do throws(HealthCheckError) {
            let moment = Moment(instant: .now, wall: wallClock(), random: random)
            var ledger = HealthLedger()
            // There is nothing to do before it runs.
            var effects = HealthLedger.Effects()
            try ledger.register(checks, at: moment, &effects)
            for group in groups { try ledger.register(group, &effects) }
            self.init(ledger: ledger, hidesReasons: hidesReasons, wallClock: wallClock, random: random, logger: logger)
        } catch {
            preconditionFailure(error.description)
        }
    }

    private init(
        ledger: HealthLedger,
        hidesReasons: Bool,
        wallClock: @escaping @Sendable () -> Timestamp,
        random: @escaping @Sendable () -> UInt64,
        logger: Logger
    ) {
        self.state = Mutex(State(ledger: ledger))
        self.published = Mutex(HealthSnapshot(ledger, hidesReasons: hidesReasons))
        self.hidesReasons = hidesReasons
        self.wallClock = wallClock
        self.random = random
        self.logger = logger
    }

    deinit {
        self.state.withLock { state in
            state.alarm?.task.cancel()
            let tasks = Array(state.tasks.values)
            Task.detached { for task in tasks { task.cancel() } }
        }
    }

    // MARK: - Checks and groups

    /// Registers a check; it runs at once if the engine does, and if what it depends on is up.
    ///
    /// - Throws: ``HealthCheckError``.
    public func register(_ check: HealthCheck) throws(HealthCheckError) {
        try self.update { ledger, moment, effects throws(HealthCheckError) in
            try ledger.register([check], at: moment, &effects)
        }
    }

    /// Registers a group; its checks need not exist yet.
    ///
    /// - Throws: ``HealthCheckError``.
    public func register(_ group: HealthGroup) throws(HealthCheckError) {
        try self.update { ledger, _, effects throws(HealthCheckError) in try ledger.register(group, &effects) }
    }

    /// Removes a check. A run of it that is on its way is cancelled, and what it says is not heard.
    ///
    /// Checks that depend on it go on without it, until a check of this name is registered again.
    ///
    /// - Returns: whether there was a check of this name.
    @discardableResult
    public func remove(_ name: String) -> Bool {
        self.update { ledger, moment, effects in ledger.remove(name, at: moment, &effects) }
    }

    /// Calls `observer` whenever the status of a check, or its reason, has changed.
    public func onChange(_ observer: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.observers.append(observer) }
    }

    // MARK: - Runs

    /// Runs every check, each at its own interval, until the task is cancelled or the service group shuts down.
    ///
    /// It ends within a moment then, whatever hangs.
    public func run() async throws {
        self.update { ledger, moment, effects in ledger.start(at: moment, &effects) }
        // It throws when the task is cancelled, which is as good a reason to stop.
        try? await gracefulShutdown()
        self.update { ledger, _, effects in ledger.stop(&effects) }
    }

    /// Runs one check now, besides its interval: after something happened that it should know of. It returns when the
    /// answer is there.
    ///
    /// A run that is on its way perhaps does not know of it, so another one follows, for all who have asked meanwhile. It
    /// returns without one when the check hangs, or depends on one that is not up, and when the caller is cancelled.
    public func runNow(_ name: String) async {
        let waiter = FirstAnswer<Void>()
        let isWorthWaiting = self.update { ledger, moment, effects in
            ledger.runNow(name, for: waiter, at: moment, &effects)
        }
        guard isWorthWaiting else { return }
        await withTaskCancellationHandler {
            await waiter.value
        } onCancel: {
            waiter.give(())
        }
    }

    // MARK: - The picture

    /// Whether all of these checks are up, by the last picture. A name that is no check is not up, nor is a check of which
    /// nobody can say because it depends on another one.
    public func isUp(_ names: [String]) -> Bool { self.snapshot.isUp(names) }

    /// The picture to show.
    var snapshot: HealthSnapshot {
        let snapshot = self.lastSnapshot
        guard let validUntil = snapshot.validUntil, self.clock.now > validUntil else { return snapshot }
        self.advance()
        return self.lastSnapshot
    }

    /// The picture as it was made last, perhaps too old to be shown.
    var lastSnapshot: HealthSnapshot { self.published.withLock { $0 } }

    // MARK: - Effects

    private func advance() {
        self.update { ledger, moment, effects in ledger.advance(to: moment, &effects) }
    }

    /// Lets something happen to the ledger, and does what follows from it.
    private func update<Result: Sendable, Failure: Error>(
        _ body: (inout HealthLedger, Moment, inout HealthLedger.Effects) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let (result, answered, cancelled) = try self.state.withLock {
            state throws(Failure) -> (Result, [FirstAnswer<Void>], [Task<Void, Never>]) in
            // Looked at inside the lock, so that time never goes backwards for the ledger.
            let moment = Moment(instant: self.clock.now, wall: self.wallClock(), random: self.random)
            var effects = HealthLedger.Effects()
            let result = try body(&state.ledger, moment, &effects)
            for start in effects.starts { state.tasks[start.id] = self.task(start.id, start.check) }
            let cancelled = effects.cancels.compactMap { state.tasks.removeValue(forKey: $0) }
            state.untold += effects.records
            self.setAlarm(&state)
            if effects.hasNewPicture {
                let snapshot = HealthSnapshot(state.ledger, hidesReasons: self.hidesReasons)
                self.published.withLock { $0 = snapshot }
            }
            return (result, effects.answered, cancelled)
        }
        // A cancellation handler is the check's own code: it may hang or trap as well as the check.
        for task in cancelled { Task.detached { task.cancel() } }
        self.tell()
        for waiter in answered { waiter.give(()) }
        return result
    }

    /// Asks the check's question, in a task of its own: one that hangs must not hold anybody up, and nothing of whoever
    /// caused it, such as the work that a trap would be blamed on, may stick to it.
    private func task(_ id: CheckState.RunID, _ check: HealthCheck) -> Task<Void, Never> {
        Task.detached { [weak self, clock, logger] in
            let began = clock.now
            let report: HealthReport
            do {
                report = try await check.run()
            } catch {
                report = check.unanswered(because: error)
            }
            let responseTime = began.duration(to: clock.now)
            logger.debug(
                "Health check ran",
                metadata: ["health.check": "\(check.name)", "health.status": "\(report.status.rawValue)"]
            )
            self?.end(id, report: report, took: responseTime)
        }
    }

    private func end(_ id: CheckState.RunID, report: HealthReport, took responseTime: Duration) {
        _ = self.state.withLock { $0.tasks.removeValue(forKey: id) }
        self.update { ledger, moment, effects in
            ledger.end(id, report: report, took: responseTime, at: moment, &effects)
        }
    }

    private func setAlarm(_ state: inout State) {
        let next = state.ledger.nextEvent
        if let next, let alarm = state.alarm, alarm.instant <= next { return }
        state.alarm?.task.cancel()
        state.alarm = nil
        guard let next else { return }
        state.alarmCount += 1
        let number = state.alarmCount
        let task = Task.detached { [weak self, clock] in
            try await Task.sleep(until: next, clock: clock)
            self?.ring(number)
        }
        state.alarm = Alarm(number: number, instant: next, task: task)
    }

    private func ring(_ number: Int) {
        self.state.withLock { if $0.alarm?.number == number { $0.alarm = nil } }
        self.advance()
    }

    /// Tells the log and the observers what has changed: one thread at a time, so that the order is kept.
    private func tell() {
        while true {
            let told = self.state.withLock { state -> (records: [CheckState.Record], isQuiet: Bool)? in
                guard !state.isTelling, !state.untold.isEmpty else { return nil }
                state.isTelling = true
                defer { state.untold = [] }
                return (state.untold, state.ledger.hasStopped)
            }
            guard let told else { return }
            for record in told.records { self.log(record, isQuiet: told.isQuiet) }
            if told.records.contains(where: { $0.kind == .change }) {
                for observer in self.state.withLock({ $0.observers }) { observer() }
            }
            self.state.withLock { $0.isTelling = false }
        }
    }

    /// - Parameter isQuiet: nobody asks the checks any more, so that their silence is no news.
    private func log(_ record: CheckState.Record, isQuiet: Bool) {
        let status = record.standing == .unknown ? record.standing.rawValue : record.status.rawValue
        var metadata: Logger.Metadata = ["health.check": "\(record.name)", "health.status": "\(status)"]
        metadata["health.reason"] = record.reason.map { "\($0)" }
        metadata["error.id"] = record.failureID.map { "\($0)" }
        switch (record.kind, record.standing) {
        case (.disbelieved, _):
            self.logger.debug("Health check failed in its start-up grace", metadata: metadata)
        case (.change, .up):
            self.logger.info("Health check changed", metadata: metadata)
        case (.change, .unknown):
            // The alarm is the other check's.
            self.logger.debug("Health check changed", metadata: metadata)
        case (.change, .down):
            self.logger.log(level: isQuiet ? .debug : .warning, "Health check changed", metadata: metadata)
        }
    }
}

extension HealthSnapshot {
    fileprivate convenience init(_ ledger: HealthLedger, hidesReasons: Bool) {
        self.init(
            views: ledger.checks.map(\.view),
            groups: ledger.groups,
            hidesReasons: hidesReasons,
            validUntil: ledger.checks.lazy.compactMap(\.validUntil).min()
        )
    }
}

extension HealthCheck {
    /// The report of a run that threw. An error's text can hold anything, so that only its type is told.
    fileprivate func unanswered(because error: any Error) -> HealthReport {
        var report = self.unanswered
        report.reason = "The check threw an error of type \(String(reflecting: type(of: error)))."
        report.summary = "The check could not be made."
        return report
    }
}
