// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
public import ServiceLifecycle
import Synchronization

/// Runs the checks in the background and keeps the picture that the probes show.
///
/// A probe never causes a check: however often `/health` is asked, the dependencies see one question an interval.
/// A run that does not come back in time is reported and left alone; no second one of its kind is started beside it.
public final class HealthEngine: Service {
    /// The check of this name stands first in the body of `/ready`.
    static let databaseName = "database"

    private struct State {
        var checks: [CheckState]
        var snapshot: HealthSnapshot
        /// Runs that have not come back, in time or not.
        var running: [String: Run] = [:]
        var observers: [@Sendable () -> Void] = []
    }

    /// A run of a check on its way.
    private struct Run {
        let began: SuspendingClock.Instant
        /// Whether its answer would come too late.
        var isGivenUp = false
        /// Who wants to run the check again once this run's time is over, or its answer is there.
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private enum Turn {
        case begun
        /// Another run is on its way.
        case busy
        /// Another run should have come back long ago.
        case overdue
    }

    private let state: Mutex<State>
    private let logger: Logger
    private let clock = SuspendingClock()

    /// Creates an engine that shows each check's initial report until it has run.
    public init(checks: [HealthCheck], logger: Logger) {
        let states = checks.map(CheckState.init)
        self.state = Mutex(State(checks: states, snapshot: HealthSnapshot(states: states, at: self.clock.now)))
        self.logger = logger
    }

    /// Runs every check, each at its own interval, until the task is cancelled or the service group shuts down.
    public func run() async throws {
        let checks = self.state.withLock { $0.checks.map(\.check) }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for check in checks {
                    group.addTask {
                        while !Task.isCancelled {
                            // Where a run is on its way, somebody has asked for it just now.
                            if self.takeTurn(check) == .begun { await self.run(check) }
                            try? await Task.sleep(for: check.interval, clock: self.clock)
                        }
                    }
                }
            }
        }
    }

    /// Runs one check now, besides its interval: after something happened that it should know of. A run that is on its
    /// way, and perhaps does not know of it, comes first.
    public func runNow(_ name: String) async {
        guard let check = self.state.withLock({ $0.checks.first { $0.check.name == name }?.check }) else { return }
        while true {
            switch self.takeTurn(check) {
            case .begun: return await self.run(check)
            case .overdue: return
            case .busy: await self.endOfRun(of: check)
            }
        }
    }

    /// Calls `observer` whenever the status of a check, or its reason, has changed.
    public func onChange(_ observer: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.observers.append(observer) }
    }

    /// The picture to show.
    var snapshot: HealthSnapshot {
        let now = self.clock.now
        let (snapshot, hasExpired) = self.state.withLock { state -> (HealthSnapshot, Bool) in
            guard let validUntil = state.snapshot.validUntil, now > validUntil else { return (state.snapshot, false) }
            state.snapshot = HealthSnapshot(states: state.checks, at: now)
            return (state.snapshot, true)
        }
        if hasExpired { self.notifyObservers() }
        return snapshot
    }

    /// The picture as it was made last, perhaps too old to be shown.
    var lastSnapshot: HealthSnapshot { self.state.withLock { $0.snapshot } }

    private func notifyObservers() {
        for observer in self.state.withLock({ $0.observers }) { observer() }
    }

    /// Tries to begin a run. An overdue one is reported once more.
    private func takeTurn(_ check: HealthCheck) -> Turn {
        let now = self.clock.now
        let turn = self.state.withLock { state -> Turn in
            guard let run = state.running[check.name] else {
                state.running[check.name] = Run(began: now)
                return .begun
            }
            return run.began.duration(to: now) >= check.timeout ? .overdue : .busy
        }
        if turn == .overdue { self.record(check.unanswered, of: check) }
        return turn
    }

    private func endOfRun(of check: HealthCheck) async {
        await withCheckedContinuation { continuation in
            let isOver = self.state.withLock { state in
                guard state.running[check.name] != nil else { return true }
                state.running[check.name]?.waiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    private func run(_ check: HealthCheck) async {
        // Not a child task: one that hangs must not hold the engine up.
        let endedInTime = FirstAnswer<Bool>()
        let run = Task {
            let report = (try? await check.run()) ?? check.unanswered
            let isGivenUp = self.state.withLock { $0.running[check.name]?.isGivenUp == true }
            // Recorded before the next run, whose report is newer, can begin.
            if !isGivenUp { self.record(report, of: check) }
            let waiters = self.state.withLock { $0.running.removeValue(forKey: check.name)?.waiters }
            endedInTime.give(true)
            for waiter in waiters ?? [] { waiter.resume() }
        }
        let timer = Task {
            try await Task.sleep(for: check.timeout, clock: self.clock)
            endedInTime.give(false)
        }
        let hasEnded = await endedInTime.value
        timer.cancel()
        if hasEnded { return }
        run.cancel()
        let waiters = self.state.withLock { state in
            defer { state.running[check.name]?.waiters = [] }
            state.running[check.name]?.isGivenUp = true
            return state.running[check.name]?.waiters
        }
        // It may have ended after all.
        guard let waiters else { return }
        self.record(check.unanswered, of: check)
        for waiter in waiters { waiter.resume() }
    }

    private func record(_ report: HealthReport, of check: HealthCheck) {
        let now = self.clock.now
        let change = self.state.withLock { state -> HealthReport? in
            guard let index = state.checks.firstIndex(where: { $0.check.name == check.name }) else { return nil }
            let hasChanged = state.checks[index].record(report, at: now)
            state.snapshot = HealthSnapshot(states: state.checks, at: now)
            return hasChanged ? state.checks[index].report : nil
        }
        guard let change else { return }
        var metadata: Logger.Metadata = ["health.check": "\(check.name)", "health.status": "\(change.status.rawValue)"]
        metadata["health.reason"] = change.reason.map { "\($0)" }
        self.logger.log(
            level: change.status == .healthy ? .info : .warning,
            "Health check changed",
            metadata: metadata
        )
        self.notifyObservers()
    }
}
