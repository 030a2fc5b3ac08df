// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How patient the server is when it is asked to stop.
public struct ShutdownConfiguration: Sendable, Equatable {
    /// The time for which requests are still accepted after the stop, while `/ready` is already 503.
    ///
    /// - Key: `shutdown.drainDelaySeconds` (environment: `SHUTDOWN_DRAIN_DELAY_SECONDS`). Default: 0.
    public var drainDelay: Duration

    /// The time in-flight requests have to finish undisturbed once no more are accepted.
    ///
    /// - Key: `shutdown.graceSeconds` (environment: `SHUTDOWN_GRACE_SECONDS`). Default: 5 seconds.
    public var grace: Duration

    /// The time after the trigger at which the process exits whatever is still running.
    ///
    /// - Key: `shutdown.deadlineSeconds` (environment: `SHUTDOWN_DEADLINE_SECONDS`). Default: 30 seconds.
    /// - Note: drain delay and grace together must be below it.
    public var deadline: Duration

    /// Creates a configuration; the defaults are those of the settings.
    public init(
        drainDelay: Duration = .zero,
        grace: Duration = .seconds(5),
        deadline: Duration = .seconds(30)
    ) {
        self.drainDelay = drainDelay
        self.grace = grace
        self.deadline = deadline
    }
}
