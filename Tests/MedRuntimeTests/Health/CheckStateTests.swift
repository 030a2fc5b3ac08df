// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct CheckStateTests {
    private let good = HealthReport(status: .healthy)
    private let bad = HealthReport(status: .unhealthy, reason: "It is broken.")

    private func state(failures: Int = 1, successes: Int = 1, interval: Duration = .seconds(1)) -> CheckState {
        CheckState(
            check: HealthCheck(
                "thing",
                interval: interval,
                failureThreshold: failures,
                successThreshold: successes,
                initial: HealthReport(status: .degraded),
                unanswered: HealthReport(status: .unhealthy, reason: "No answer."),
                run: { HealthReport(status: .healthy) }
            )
        )
    }

    @Test func `before the first run the initial report is shown`() {
        #expect(self.state().report.status == .degraded)
        #expect(self.state().validUntil == nil)
    }

    /// Records reports one after the other, and says for each whether it was a change.
    private func record(_ reports: [HealthReport], in state: inout CheckState) -> [Bool] {
        reports.map { state.record($0, at: .now) }
    }

    @Test func `the first report decides whatever the thresholds are`() {
        var state = self.state(failures: 3, successes: 3)
        let changes = self.record([self.bad], in: &state)
        #expect(changes == [true])
        #expect(state.report.status == .unhealthy)
    }

    @Test func `it goes down at the failure threshold, and a success in between starts the count again`() {
        var state = self.state(failures: 3)
        var changes = self.record([self.good, self.bad, self.bad, self.good, self.bad, self.bad], in: &state)
        #expect(changes == [true, false, false, false, false, false])
        #expect(state.report.status == .healthy)
        changes = self.record([self.bad], in: &state)
        #expect(changes == [true])
        #expect(state.report.status == .unhealthy)
    }

    @Test func `it comes up again at the success threshold`() {
        var state = self.state(successes: 2)
        var changes = self.record([self.bad, self.good], in: &state)
        #expect(changes == [true, false])
        #expect(state.report.status == .unhealthy)
        changes = self.record([self.good], in: &state)
        #expect(changes == [true])
        #expect(state.report.status == .healthy)
    }

    @Test func `the same trouble again is no change, another reason is one`() {
        var state = self.state()
        let another = HealthReport(status: .unhealthy, reason: "Now something else.")
        let changes = self.record([self.bad, self.bad, another], in: &state)
        #expect(changes == [true, false, true])
    }

    @Test func `a report older than three intervals counts as unanswered`() {
        var state = self.state(interval: .seconds(10))
        let now = SuspendingClock.now
        _ = state.record(self.good, at: now)
        #expect(state.report(at: now.advanced(by: .seconds(30))).status == .healthy)
        #expect(state.report(at: now.advanced(by: .seconds(31))).reason == "No answer.")
    }
}
