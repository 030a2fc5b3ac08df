// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What is known of one check, from the reports of its runs so far.
///
///     up ──failureThreshold failures in a row──▶ down ──successThreshold successes in a row──▶ up
///
/// The first report decides alone, whatever the thresholds are: until then nothing was known.
struct CheckState: Sendable {
    let check: HealthCheck
    private(set) var report: HealthReport
    private(set) var lastRun: SuspendingClock.Instant?
    private var failures = 0
    private var successes = 0

    init(check: HealthCheck) {
        self.check = check
        self.report = check.initial
    }

    /// Takes the report of a run. True if the status changed.
    mutating func record(_ new: HealthReport, at now: SuspendingClock.Instant) -> Bool {
        let isFirst = self.lastRun == nil
        self.lastRun = now
        if new.status == .healthy {
            self.successes += 1
            self.failures = 0
        } else {
            self.failures += 1
            self.successes = 0
        }
        let old = self.report
        let isDecided =
            switch (old.status == .healthy, new.status == .healthy) {
            case (true, false): self.failures >= self.check.failureThreshold
            case (false, true): self.successes >= self.check.successThreshold
            case (true, true), (false, false): true
            }
        guard isFirst || isDecided else { return false }
        self.report = new
        return isFirst || old.status != new.status || old.reason != new.reason
    }

    /// When the report is too old to be believed.
    var validUntil: SuspendingClock.Instant? { self.lastRun?.advanced(by: self.check.interval * 3) }

    /// The report, or what an unanswered run means if it is too old.
    func report(at now: SuspendingClock.Instant) -> HealthReport {
        guard let validUntil = self.validUntil, now > validUntil else { return self.report }
        return self.check.unanswered
    }
}
