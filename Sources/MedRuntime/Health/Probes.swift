// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Synchronization

/// The answers to the probes, each from one look at the lifecycle and one at the last snapshot.
public final class Probes: Sendable {
    /// An answer, for `GET`; `HEAD` leaves out the body.
    public struct Answer: Sendable {
        /// The HTTP status code.
        public let status: Int
        /// The media type of the body.
        public let contentType: String
        /// The other header fields: `Cache-Control` always, and what the form of the body needs.
        public let headers: [(name: String, value: String)]
        /// The body.
        public let body: [UInt8]

        private static let notKept = [(name: "Cache-Control", value: "no-store")]
        /// Nobody may take plain text for something livelier.
        static let plainText = notKept + [(name: "X-Content-Type-Options", value: "nosniff")]

        init(
            status: Int,
            contentType: String = "application/json; charset=utf-8",
            headers: [(name: String, value: String)] = notKept,
            body: [UInt8]
        ) {
            self.status = status
            self.contentType = contentType
            self.headers = headers
            self.body = body
        }
    }

    private let lifecycle: Lifecycle
    private let engine: HealthEngine
    private let stalls: StallWatch?
    private let environment: String
    private let identity: ServiceIdentity
    private let startUp: StartUpProgress?
    private let startedAt: SuspendingClock.Instant
    private let wallClock: @Sendable () -> Timestamp
    private let now: @Sendable () -> SuspendingClock.Instant
    private let logger: Logger
    private let logged = Mutex<(ready: Bool, health: HealthStatus)?>(nil)

    /// Creates the answers.
    ///
    /// - Parameters:
    ///   - lifecycle: whose phase decides.
    ///   - engine: whose snapshot is shown.
    ///   - stalls: whether the process can do work; without it, it always can.
    ///   - environment: the value of `environment` in the body of `/health`.
    ///   - identity: who answers, for the forms that say so.
    ///   - startUp: how far the start-up is, for the status page.
    ///   - startedAt: when the process started, for `uptime`.
    ///   - wallClock: the time of day.
    ///   - now: the time that `uptime` is measured by.
    ///   - logger: receives a record whenever a probe's state has changed.
    public init(
        lifecycle: Lifecycle,
        engine: HealthEngine,
        stalls: StallWatch? = nil,
        environment: String,
        identity: ServiceIdentity = ServiceIdentity(),
        startUp: StartUpProgress? = nil,
        startedAt: SuspendingClock.Instant,
        wallClock: @escaping @Sendable () -> Timestamp = { .now },
        now: @escaping @Sendable () -> SuspendingClock.Instant = { .now },
        logger: Logger
    ) {
        self.lifecycle = lifecycle
        self.engine = engine
        self.stalls = stalls
        self.environment = environment
        self.identity = identity
        self.startUp = startUp
        self.startedAt = startedAt
        self.wallClock = wallClock
        self.now = now
        self.logger = logger
    }

    /// What the probes say, for metrics.
    public var state: (isAlive: Bool, isReady: Bool, health: HealthStatus) {
        let summary = self.summary(of: self.engine.snapshot)
        return (self.stalls?.isStalled != true, summary.ready, summary.health)
    }

    private func summary(of snapshot: HealthSnapshot) -> (ready: Bool, health: HealthStatus) {
        (self.isServing && snapshot.isReady, self.lifecycle.phase.isShuttingDown ? .unhealthy : snapshot.status)
    }

    /// The answer to any probe, in the form that the request asks for.
    public func answer(to request: ProbeRequest) -> Answer {
        switch request.probe {
        case .live: self.live(request)
        case .ready: self.ready(request)
        case .health(let group): self.health(request, group: group)
        case .status: self.health(request, group: nil)
        }
    }

    /// `GET /live`: the process can do work.
    public func live() -> Answer { self.live(nil) }

    /// `GET /ready`: requests may be sent here.
    public func ready() -> Answer { self.ready(nil) }

    /// `GET /health`: how the server is, and why.
    public func health() -> Answer { self.health(nil, group: nil) }

    private func live(_ request: ProbeRequest?) -> Answer {
        let isAlive = self.stalls?.isStalled != true
        if let request, request.isVerbose {
            var text = VerboseText(excluding: request.excluded)
            text.line("progress", isOK: isAlive)
            return self.answer(text, "live", passed: isAlive)
        }
        var json = JSONText()
        json.member("alive", isAlive)
        json.member("timestamp", self.wallClock().description)
        json.member("uptime", self.uptime)
        return Answer(status: isAlive ? 200 : 503, body: json.object)
    }

    private func ready(_ request: ProbeRequest?) -> Answer {
        let whole = self.engine.snapshot
        let excluded = request?.excluded ?? []
        let snapshot = excluded.isEmpty ? whole : whole.excluding(excluded)
        // The server itself cannot be excluded: a load balancer must never miss a shutdown.
        let isServing = self.isServing
        let isReady = isServing && snapshot.isReady
        if !isReady { self.lifecycle.unreadinessWasAnswered() }
        if let request, request.isVerbose {
            // The order of the JSON, and then what that does not list.
            let required = whole.views.filter { $0.check.readiness != .ignored }
            let database = required.filter { $0.check.name == HealthSnapshot.databaseName }
            var text = VerboseText(excluding: excluded)
            for view in database { text.line(view, among: whole.views) }
            text.line(HealthSnapshot.serverName, isOK: isServing)
            for view in required where view.check.name != HealthSnapshot.databaseName {
                text.line(view, among: whole.views)
            }
            return self.answer(text, "ready", passed: isReady)
        }
        var server = JSONText()
        server.member(HealthSnapshot.serverName, isServing)
        var json = JSONText()
        json.member("ready", isReady)
        json.member("timestamp", self.wallClock().description)
        json.member(
            "checks",
            object: [snapshot.readyChecksBeforeServer, server.bytes, snapshot.readyChecksAfterServer]
        )
        return Answer(status: isReady ? 200 : 503, body: json.object)
    }

    /// What is known of all checks, or of those of a group.
    private struct Finding {
        var status: HealthStatus
        var isStrict: Bool
        var healthChecks: [UInt8]
        var views: [CheckView]

        init(_ snapshot: HealthSnapshot) {
            self.status = snapshot.status
            self.isStrict = false
            self.healthChecks = snapshot.healthChecks
            self.views = snapshot.views
        }

        init(_ group: HealthSnapshot.Group) {
            self.status = group.status
            self.isStrict = group.isStrict
            self.healthChecks = group.healthChecks
            self.views = group.views
        }
    }

    private func health(_ request: ProbeRequest?, group: String?) -> Answer {
        let whole = self.engine.snapshot
        let excluded = request?.excluded ?? []
        let snapshot = excluded.isEmpty ? whole : whole.excluding(excluded)
        var finding = Finding(snapshot)
        if let group {
            guard let found = snapshot.group(named: group) else {
                return Answer(status: 404, body: Array(#"{"error":"not_found"}"#.utf8))
            }
            finding = Finding(found)
        }
        let phase = self.lifecycle.phase
        if phase.isShuttingDown { finding.status = .unhealthy }
        let hasFailed = finding.status == .unhealthy || (finding.isStrict && finding.status == .degraded)

        guard let request, request.format != .json || request.isVerbose else {
            return self.json(finding, hasFailed: hasFailed)
        }
        if request.isVerbose, request.probe != .status {
            var text = VerboseText(excluding: excluded)
            let views = group.flatMap { whole.group(named: $0)?.views } ?? whole.views
            for view in views { text.line(view, among: whole.views) }
            if phase.isShuttingDown { text.line("shutdown", isOK: false) }
            return self.answer(text, "health", passed: !hasFailed)
        }
        switch request.format {
        case .json: return self.json(finding, hasFailed: hasFailed)
        case .healthJSON:
            let json = HealthJSON(
                status: finding.status,
                hasFailed: hasFailed,
                identity: self.identity,
                phase: phase,
                uptime: self.uptime,
                timestamp: self.wallClock(),
                views: finding.views,
                allViews: whole.views,
                hidesReasons: snapshot.hidesReasons
            )
            return Answer(status: hasFailed ? 503 : 200, contentType: HealthJSON.contentType, body: json.body)
        case .html:
            let page = StatusPage(
                status: finding.status,
                isReady: self.isServing && snapshot.isReady,
                phase: phase,
                identity: self.identity,
                environment: self.environment,
                uptime: self.uptime,
                timestamp: self.wallClock(),
                group: group,
                views: finding.views,
                allViews: whole.views,
                startUp: self.startUp?.phases ?? [],
                hidesReasons: snapshot.hidesReasons,
                staysStill: request.staysStill
            )
            // Proxies like to put a page of their own in the place of a 503, at the one time when somebody reads this.
            let isPage = request.probe == .status
            return Answer(
                status: hasFailed && !isPage ? 503 : 200,
                contentType: StatusPage.contentType,
                headers: page.headers,
                body: page.render()
            )
        }
    }

    private func json(_ finding: Finding, hasFailed: Bool) -> Answer {
        var json = JSONText()
        json.member("status", finding.status.rawValue)
        json.member("timestamp", self.wallClock().description)
        json.member("uptime", self.uptime)
        json.member("checks", object: [finding.healthChecks])
        json.member("environment", self.environment)
        return Answer(status: hasFailed ? 503 : 200, body: json.object)
    }

    private func answer(_ text: consuming VerboseText, _ probe: String, passed: Bool) -> Answer {
        text.verdict(probe, passed: passed)
        return Answer(
            status: passed ? 200 : 503,
            contentType: VerboseText.contentType,
            headers: Answer.plainText,
            body: text.bytes
        )
    }

    /// Logs what has changed since the last call: once for each change of `/ready` and of `/health`.
    public func logChanges() {
        // An expired snapshot calls back into here when it is looked at: once, outside the lock.
        _ = self.engine.snapshot
        let (before, now, phase) = self.logged.withLock { logged in
            // Looked at inside the lock, so that of two calls at once the later one logs the later state.
            let now = self.summary(of: self.engine.lastSnapshot)
            defer { logged = now }
            return (logged, now, self.lifecycle.phase)
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

    private var uptime: Int { Int(self.startedAt.duration(to: self.now()).components.seconds) }
}
