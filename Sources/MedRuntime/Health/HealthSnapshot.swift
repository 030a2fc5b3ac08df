// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What the probes show: an immutable picture of all checks, rendered once when it changes and read by every probe.
final class HealthSnapshot: Sendable {
    /// The worst status of the checks.
    let status: HealthStatus
    /// Whether every check that `/ready` requires is healthy.
    let isReady: Bool
    /// The members of `checks` in the body of `/health`.
    let healthChecks: [UInt8]
    /// The members of `checks` in the body of `/ready` before `server`: the database.
    let readyChecksBeforeServer: [UInt8]
    /// The members after it: critical checks that the application registered.
    let readyChecksAfterServer: [UInt8]
    /// Until when this picture may be shown.
    let validUntil: SuspendingClock.Instant?

    init(states: [CheckState], at now: SuspendingClock.Instant) {
        var status = HealthStatus.healthy
        var isReady = true
        var health = JSONText()
        var before = JSONText()
        var after = JSONText()
        for state in states {
            let report = state.report(at: now)
            // What `/ready` does not depend on can make the server degraded at most.
            status = max(status, state.check.readiness == .ignored ? min(report.status, .degraded) : report.status)
            health.member(state.check.name, report.details)
            switch state.check.readiness {
            case .required:
                isReady = isReady && report.status == .healthy
                if state.check.name == HealthEngine.databaseName {
                    before.member(state.check.name, report.status == .healthy)
                } else {
                    after.member(state.check.name, report.status == .healthy)
                }
            case .requiredUnlisted:
                isReady = isReady && report.status == .healthy
            case .ignored:
                break
            }
        }
        self.status = status
        self.isReady = isReady
        self.healthChecks = health.bytes
        self.readyChecksBeforeServer = before.bytes
        self.readyChecksAfterServer = after.bytes
        self.validUntil = states.compactMap(\.validUntil).filter { $0 >= now }.min()
    }
}
