// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension HealthCheck {
    /// Whether the wall clock can be relied on: degraded for ten minutes after it was set by more than 5 seconds, and as
    /// long as it shows a time before 2025. The detail `jump` says by how many seconds it was set.
    public static func clock(interval: Duration = .seconds(10)) -> HealthCheck {
        .clock(interval: interval, read: ClockReader.read)
    }

    static func clock(
        interval: Duration = .seconds(10), read: @escaping @Sendable () -> ClockWatch.Reading
    ) -> HealthCheck {
        let watch = ClockWatchBox()
        let run = { @Sendable in HealthReport(watch.observe(read)) }
        return HealthCheck(
            "clock",
            interval: interval,
            observes: Observation(measurement: "jump", unit: "s", detail: "jump"),
            componentType: "system",
            detailsArePublic: true,
            initial: run(),
            unanswered: HealthReport(
                status: .degraded,
                details: [("jump", .null)],
                reason: "The clocks were not read in time.",
                summary: "Whether the clock is right is not known."
            ),
            run: { run() }
        )
    }
}

/// One reading after the other, whoever takes them.
private final class ClockWatchBox: Sendable {
    private let watch = Mutex(ClockWatch())

    func observe(_ read: () -> ClockWatch.Reading) -> ClockWatch.Finding {
        self.watch.withLock { $0.observe(read()) }
    }
}

extension HealthReport {
    fileprivate init(_ finding: ClockWatch.Finding) {
        let details = [(name: "jump", value: Value.integer(finding.jump))]
        if finding.isBeforeBuild {
            self.init(
                status: .degraded,
                details: details,
                reason: "The clock shows a time before 2025. Set it, and look at what should have done so (NTP).",
                summary: "The clock shows a time before 2025."
            )
        } else if finding.jump != 0 {
            let direction = finding.jump > 0 ? "forward" : "back"
            self.init(
                status: .degraded,
                details: details,
                reason: "The clock was set \(direction) by \(finding.jump.magnitude) s. "
                    + "Timestamps from before and after do not fit together.",
                summary: "The clock was set \(direction) in the last ten minutes."
            )
        } else {
            self.init(status: .healthy, details: details)
        }
    }
}
