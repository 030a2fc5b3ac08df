// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Synchronization

/// The answers to the three probes, each from one look at the lifecycle and one at the last snapshot.
public final class Probes: Sendable {
    /// An answer: a status code and a JSON body.
    public struct Answer: Sendable {
        /// The HTTP status code.
        public let status: Int
        /// The body.
        public let body: [UInt8]
    }

    private let lifecycle: Lifecycle
    private let engine: HealthEngine
    private let stalls: StallWatch?
    private let environment: String
    private let startedAt: SuspendingClock.Instant
    private let wallClock: @Sendable () -> Timestamp
    private let logger: Logger
    private let logged = Mutex<(ready: Bool, health: HealthStatus)?>(nil)

    /// Creates the answers.
    ///
    /// - Parameters:
    ///   - lifecycle: whose phase decides.
    ///   - engine: whose snapshot is shown.
    ///   - stalls: whether the process can do work; without it, it always can.
    ///   - environment: the value of `environment` in the body of `/health`.
    ///   - startedAt: when the process started, for `uptime`.
    ///   - wallClock: the time of day.
    ///   - logger: receives a record whenever a probe's state has changed.
    public init(
        lifecycle: Lifecycle,
        engine: HealthEngine,
        stalls: StallWatch? = nil,
        environment: String,
        startedAt: SuspendingClock.Instant,
        wallClock: @escaping @Sendable () -> Timestamp = { .now },
        logger: Logger
    ) {
        self.lifecycle = lifecycle
        self.engine = engine
        self.stalls = stalls
        self.environment = environment
        self.startedAt = startedAt
        self.wallClock = wallClock
        self.logger = logger
    }

    /// `GET /live`: the process can do work.
    public func live() -> Answer {
        let isAlive = self.stalls?.isStalled != true
        var json = JSONText()
        json.member("alive", isAlive)
        json.member("timestamp", self.wallClock().description)
        json.member("uptime", self.uptime)
        return Answer(status: isAlive ? 200 : 503, body: json.object)
    }

    /// `GET /ready`: requests may be sent here.
    public func ready() -> Answer {
        let snapshot = self.engine.snapshot
        let isServing = self.isServing
        var server = JSONText()
        server.member("server", isServing)
        let isReady = isServing && snapshot.isReady
        if !isReady { self.lifecycle.unreadinessWasAnswered() }
        var json = JSONText()
        json.member("ready", isReady)
        json.member("timestamp", self.wallClock().description)
        json.member(
            "checks",
            object: [snapshot.readyChecksBeforeServer, server.bytes, snapshot.readyChecksAfterServer]
        )
        return Answer(status: isReady ? 200 : 503, body: json.object)
    }

    /// `GET /health`: how the server is, and why.
    public func health() -> Answer {
        let snapshot = self.engine.snapshot
        let status = self.lifecycle.phase.isShuttingDown ? .unhealthy : snapshot.status
        var json = JSONText()
        json.member("status", status.rawValue)
        json.member("timestamp", self.wallClock().description)
        json.member("uptime", self.uptime)
        json.member("checks", object: [snapshot.healthChecks])
        json.member("environment", self.environment)
        return Answer(status: status == .unhealthy ? 503 : 200, body: json.object)
    }

    /// Logs what has changed since the last call: once for each change of `/ready` and of `/health`.
    public func logChanges() {
        // An expired snapshot calls back into here when it is looked at: once, outside the lock.
        _ = self.engine.snapshot
        let (before, now, phase) = self.logged.withLock { logged in
            // Looked at inside the lock, so that of two calls at once the later one logs the later state.
            let snapshot = self.engine.lastSnapshot
            let phase = self.lifecycle.phase
            let now = (
                ready: self.isServing && snapshot.isReady,
                health: phase.isShuttingDown ? .unhealthy : snapshot.status
            )
            defer { logged = now }
            return (logged, now, phase)
        }
        if before?.ready != now.ready, before != nil || now.ready {
            self.logger.notice("Readiness changed", metadata: ["health.ready": "\(now.ready)", "phase": "\(phase)"])
        }
        if before?.health != now.health, before != nil || now.health != .healthy {
            self.logger.notice("Health changed", metadata: ["health.status": "\(now.health.rawValue)"])
        }
    }

    /// Whether requests are answered: a server that stands still would keep them waiting.
    private var isServing: Bool {
        self.lifecycle.phase == .serving && !self.lifecycle.hasTrapped.load(ordering: .acquiring)
            && self.stalls?.isStalled != true
    }

    private var uptime: Int { Int(self.startedAt.duration(to: .now).components.seconds) }
}
