// MedBuilder
// SPDX-License-Identifier: Apache-2.0

@testable import MedRuntime

/// A moment for tests, 2025-10-27T05:34:00.000Z.
let noon = Timestamp(millisecondsSince1970: 1_761_543_240_000)

/// A check's view as the engine would make it.
func view(
    _ name: String,
    _ status: HealthStatus = .healthy,
    standing: CheckView.Standing? = nil,
    readiness: HealthCheck.Readiness = .required,
    details: [(name: String, value: HealthReport.Value)] = [],
    summary: String? = nil,
    failureID: String? = nil,
    dependencies: [String] = [],
    observes: HealthCheck.Observation = .responseTime,
    affectedEndpoints: [String] = [],
    responseTime: Duration? = .microseconds(1500),
    secondsSinceChange: Int = 90,
    history: [CheckView.Point] = []
) -> CheckView {
    let report = HealthReport(status: status, details: details, reason: "for the log alone", summary: summary)
    return CheckView(
        check: HealthCheck(
            name,
            readiness: readiness,
            dependencies: dependencies,
            observes: observes,
            affectedEndpoints: affectedEndpoints,
            initial: report,
            unanswered: report,
            run: { report }
        ),
        standing: standing ?? (status == .healthy ? .up : .down),
        report: report,
        failureID: failureID,
        lastRun: responseTime == nil ? nil : Timestamp(millisecondsSince1970: noon.millisecondsSince1970 - 4000),
        lastChange: Timestamp(millisecondsSince1970: noon.millisecondsSince1970 - secondsSinceChange * 1000),
        responseTime: responseTime,
        history: history
    )
}

/// Sixty runs, some of which failed.
func history(failing: Set<Int> = [], as status: HealthStatus = .unhealthy) -> [CheckView.Point] {
    (0..<60).map { index in
        CheckView.Point(
            status: failing.contains(index) ? status : .healthy,
            responseTime: .microseconds(900 + (index * 7919) % 4000 + (failing.contains(index) ? 30_000 : 0))
        )
    }
}
