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

    /// The name in the bodies of the probes, and in the log.
    public var name: String
    /// What it means for `/ready`.
    public var readiness: Readiness
    /// The time from one run to the next. An answer older than three intervals counts as down.
    public var interval: Duration
    /// The time that a run may take before it counts as failed.
    public var timeout: Duration
    /// How many runs in a row must fail before the check counts as down.
    public var failureThreshold: Int
    /// How many runs in a row must succeed before it counts as up again.
    public var successThreshold: Int
    /// What the probes show before the first run.
    public var initial: HealthReport
    /// What a run that gave no answer in time means.
    public var unanswered: HealthReport
    /// Asks the question. It must not block the thread that it runs on.
    public var run: @Sendable () async -> HealthReport

    /// Creates a check; see the properties for what each value means.
    public init(
        _ name: String,
        readiness: Readiness = .ignored,
        interval: Duration = .seconds(10),
        timeout: Duration = .seconds(5),
        failureThreshold: Int = 1,
        successThreshold: Int = 1,
        initial: HealthReport,
        unanswered: HealthReport,
        run: @escaping @Sendable () async -> HealthReport
    ) {
        precondition(failureThreshold >= 1 && successThreshold >= 1, "a threshold counts runs: it is at least 1")
        self.name = name
        self.readiness = readiness
        self.interval = interval
        self.timeout = timeout
        self.failureThreshold = failureThreshold
        self.successThreshold = successThreshold
        self.initial = initial
        self.unanswered = unanswered
        self.run = run
    }
}
