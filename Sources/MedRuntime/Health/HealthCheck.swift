// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A question that the server asks itself over and over, and whose last answer the probes show.
public struct HealthCheck: Sendable {
    /// What a check that is not healthy does to `/ready`.
    public enum Readiness: Sendable {
        /// `/ready` is 503 while it is not healthy, and lists it.
        case required
        /// `/ready` is 503 while it is not healthy, without listing it.
        case requiredUnlisted
        /// `/ready` does not care, and `/health` is degraded at most.
        case ignored
    }

    /// What a check measures, for `application/health+json`.
    public struct Observation: Sendable, Equatable {
        /// What is measured: the part of the key after the colon, as in `memory:utilization`.
        public var measurement: String
        /// The unit of the value, as in `percent`.
        public var unit: String
        /// The detail of a report that has the value; the response time if there is none of that name.
        public var detail: String

        /// The time that a run took.
        public static let responseTime = Observation(measurement: "responseTime", unit: "ms", detail: "responseTime")

        /// Creates an observation.
        public init(measurement: String, unit: String, detail: String) {
            self.measurement = measurement
            self.unit = unit
            self.detail = detail
        }
    }

    /// The name in the bodies of the probes, and in the log. Letters, digits, `-`, `_` and `.`.
    public var name: String
    /// What it means for `/ready`.
    public var readiness: Readiness
    /// The time from one run to the next. An answer older than three intervals counts as down.
    public var interval: Duration
    /// By how much an interval may differ, as a part of it from 0 to 1, so that replicas do not ask in step.
    public var jitter: Double
    /// The time that a run may take before it counts as failed.
    public var timeout: Duration
    /// How many runs in a row must fail before the check counts as down.
    public var failureThreshold: Int
    /// How many runs in a row must succeed before it counts as up again.
    public var successThreshold: Int
    /// For how long after the registration a failure is not believed: the probes show ``initial`` until a run succeeds.
    public var startUpGrace: Duration
    /// The names of checks that this one stands on. While one of them is down, this one is unknown: not one more alarm.
    public var dependencies: [String]
    /// What it measures.
    public var observes: Observation
    /// What kind of thing it looks at, for `application/health+json`: `component`, `datastore` or `system`.
    public var componentType: String
    /// The routes that do not work while it is down, as patterns without values.
    public var affectedEndpoints: [String]
    /// Whether the details of a failure may be shown in production too: each of them is then part of the contract with
    /// whoever reads `/health`. Otherwise production shows the status alone.
    public var detailsArePublic: Bool
    /// What the probes show before the first run.
    public var initial: HealthReport
    /// What a run that gave no answer in time means. It must not be healthy.
    public var unanswered: HealthReport
    /// Asks the question. It must not block the thread that it runs on. An error that it throws means that it is down;
    /// the log has the error's type alone.
    public var run: @Sendable () async throws -> HealthReport

    /// Creates a check; see the properties for what each value means.
    public init(
        _ name: String,
        readiness: Readiness = .ignored,
        interval: Duration = .seconds(10),
        jitter: Double = 0.1,
        timeout: Duration = .seconds(5),
        failureThreshold: Int = 1,
        successThreshold: Int = 1,
        startUpGrace: Duration = .zero,
        dependencies: [String] = [],
        observes: Observation = .responseTime,
        componentType: String = "component",
        affectedEndpoints: [String] = [],
        detailsArePublic: Bool = false,
        initial: HealthReport,
        unanswered: HealthReport,
        run: @escaping @Sendable () async throws -> HealthReport
    ) {
        precondition((0...1).contains(jitter), "the jitter is a part of the interval: from 0 to 1")
        precondition(failureThreshold >= 1 && successThreshold >= 1, "a threshold counts runs: it is at least 1")
        self.name = name
        self.readiness = readiness
        self.interval = interval
        self.jitter = jitter
        self.timeout = timeout
        self.failureThreshold = failureThreshold
        self.successThreshold = successThreshold
        self.startUpGrace = startUpGrace
        self.dependencies = dependencies
        self.observes = observes
        self.componentType = componentType
        self.affectedEndpoints = affectedEndpoints
        self.detailsArePublic = detailsArePublic
        self.initial = initial
        self.unanswered = unanswered
        self.run = run
    }
}

extension HealthCheck {
    /// Creates a check that is up when `ping` returns and down when it throws:
    ///
    /// ```swift
    /// try engine.register(HealthCheck("printer", interval: .seconds(30)) { try await printer.ping() })
    /// ```
    ///
    /// Before the first answer it counts as degraded, and as not ready if it is required: nobody knows yet whether it works.
    /// See the properties for what each value means.
    public init(
        _ name: String,
        readiness: Readiness = .ignored,
        interval: Duration = .seconds(10),
        jitter: Double = 0.1,
        timeout: Duration = .seconds(5),
        failureThreshold: Int = 1,
        successThreshold: Int = 1,
        startUpGrace: Duration = .zero,
        dependencies: [String] = [],
        componentType: String = "component",
        affectedEndpoints: [String] = [],
        ping: @escaping @Sendable () async throws -> Void
    ) {
        self.init(
            name,
            readiness: readiness,
            interval: interval,
            jitter: jitter,
            timeout: timeout,
            failureThreshold: failureThreshold,
            successThreshold: successThreshold,
            startUpGrace: startUpGrace,
            dependencies: dependencies,
            componentType: componentType,
            affectedEndpoints: affectedEndpoints,
            initial: HealthReport(
                status: .degraded,
                details: [("status", .string("starting"))],
                reason: "It has not answered yet.",
                summary: "It has not answered yet."
            ),
            unanswered: HealthReport(
                status: .unhealthy,
                reason: "It did not answer in time.",
                summary: "It did not answer in time."
            )
        ) {
            try await ping()
            return HealthReport(status: .healthy)
        }
    }
}
