// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct CheckStateTests {
    private let good = HealthReport(status: .healthy)
    private let bad = HealthReport(status: .unhealthy, reason: "It is broken.")
    private let start = Moment.test()

    private func state(
        failures: Int = 1,
        successes: Int = 1,
        interval: Duration = .seconds(1),
        jitter: Double = 0,
        timeout: Duration = .seconds(1),
        grace: Duration = .zero,
        initial: HealthStatus = .degraded
    ) -> CheckState {
        CheckState(
            check: HealthCheck(
                "thing",
                interval: interval,
                jitter: jitter,
                timeout: timeout,
                failureThreshold: failures,
                successThreshold: successes,
                startUpGrace: grace,
                initial: HealthReport(status: initial),
                unanswered: HealthReport(status: .unhealthy, reason: "No answer."),
                run: { HealthReport(status: .healthy) }
            ),
            at: self.start
        )
    }

    /// Runs the check once, in no time.
    @discardableResult
    private func record(
        _ report: HealthReport,
        in state: inout CheckState,
        at moment: Moment? = nil
    ) -> CheckState.Record? {
        let moment = moment ?? self.start
        state.begin(1, at: moment)
        return state.end(1, report: report, took: .milliseconds(3), next: .seconds(1), at: moment).record
    }

    /// Records reports one after the other, and says for each whether it was a change.
    private func record(_ reports: [HealthReport], in state: inout CheckState) -> [Bool] {
        reports.map { self.record($0, in: &state)?.kind == .change }
    }

    // MARK: Thresholds

    @Test func `before the first run the initial report is shown`() {
        let view = self.state().view
        #expect(view.report.status == .degraded)
        #expect(view.standing == .down)
        #expect(view.lastRun == nil)
        #expect(view.responseTime == nil)
        #expect(view.failureID == nil)
        #expect(view.lastChange.description == self.start.wall.description)
        #expect(self.state(initial: .healthy).standing == .up)
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

    @Test func `every way down has an id of its own, which ends with the failure`() throws {
        var state = self.state()
        let first = try #require(self.record(self.bad, in: &state)?.failureID)
        #expect(first.count == 16)
        #expect(UInt64(first, radix: 16) != nil)
        #expect(self.record(HealthReport(status: .degraded), in: &state)?.failureID == first)
        #expect(state.view.failureID == first)
        #expect(self.record(self.good, in: &state)?.failureID == nil)
        #expect(state.view.failureID == nil)
        let second = try #require(self.record(self.bad, in: &state)?.failureID)
        #expect(second != first)
    }

    // MARK: What pages show

    @Test func `the history has the last sixty runs, oldest first`() {
        var state = self.state(failures: 1000)
        for _ in 0..<65 { self.record(self.good, in: &state) }
        self.record(self.bad, in: &state)
        #expect(state.view.history.count == 60)
        #expect(state.view.history.last == CheckView.Point(status: .unhealthy, responseTime: .milliseconds(3)))
        #expect(state.view.history.first?.status == .healthy)
        #expect(state.view.responseTime == .milliseconds(3))
    }

    @Test func `the last change is that of standing or status, the last run that of any run`() {
        var state = self.state()
        let later = (1...4).map { Moment.test($0 * 1000) }
        self.record(self.bad, in: &state, at: later[0])
        self.record(HealthReport(status: .unhealthy, reason: "Now something else."), in: &state, at: later[1])
        #expect(state.view.lastChange.description == later[0].wall.description)
        #expect(state.view.lastRun?.description == later[1].wall.description)
        self.record(HealthReport(status: .degraded), in: &state, at: later[2])
        #expect(state.view.lastChange.description == later[2].wall.description)
        self.record(self.good, in: &state, at: later[3])
        #expect(state.view.lastChange.description == later[3].wall.description)
    }

    // MARK: Age

    @Test func `a report older than three intervals counts as unanswered`() {
        var state = self.state(interval: .seconds(10))
        self.record(self.good, in: &state)
        #expect(!state.isTooOld(at: .test(30_000)))
        #expect(state.isTooOld(at: .test(30_001)))
        #expect(state.expire(at: .test(30_001))?.reason == "No answer.")
        #expect(state.standing == .down)
        #expect(state.failureID != nil)
        #expect(state.validUntil == nil)
    }

    @Test func `an interval is as long as the jitter can make it`() {
        var state = self.state(interval: .seconds(10), jitter: 0.5)
        self.record(self.good, in: &state)
        #expect(!state.isTooOld(at: .test(45_000)))
        #expect(state.isTooOld(at: .test(45_001)))
    }

    @Test func `a run that takes longer than three intervals, and may, makes no report old`() {
        var state = self.state(interval: .seconds(1), timeout: .seconds(60))
        self.record(self.good, in: &state)
        state.begin(2, at: .test(1000))
        #expect(!state.isTooOld(at: .test(59_000)))
        #expect(state.validUntil == Moment.test(61_000).instant)
    }

    @Test func `a check that nobody ever runs counts as unanswered too`() {
        let state = self.state(initial: .healthy)
        #expect(!state.isTooOld(at: .test(3000)))
        #expect(state.isTooOld(at: .test(3001)))
    }

    @Test func `after a silence one failure is enough, and one success if it was up before`() {
        var state = self.state(failures: 3)
        self.record(self.good, in: &state)
        _ = state.expire(at: .test(4000))
        self.record(self.bad, in: &state, at: .test(4001))
        #expect(state.report.reason == "It is broken.")

        state = self.state(successes: 2)
        self.record(self.good, in: &state)
        _ = state.expire(at: .test(4000))
        self.record(self.good, in: &state, at: .test(4001))
        #expect(state.standing == .up)
    }

    @Test func `a silence does not let a check come up before the success threshold`() {
        var state = self.state(successes: 2)
        self.record(self.bad, in: &state)
        _ = state.expire(at: .test(4000))
        self.record(self.good, in: &state, at: .test(4001))
        #expect(state.standing == .down)
        self.record(self.good, in: &state, at: .test(4002))
        #expect(state.standing == .up)
    }

    // MARK: Grace

    @Test func `in the start-up grace failures are not believed, and after it they are`() {
        var state = self.state(grace: .seconds(10))
        #expect(self.record(self.bad, in: &state, at: .test(9999))?.kind == .disbelieved)
        #expect(state.report.status == .degraded)
        #expect(state.view.history.count == 1)
        #expect(self.record(self.bad, in: &state, at: .test(10_000))?.kind == .change)
        #expect(state.report.status == .unhealthy)
    }

    @Test func `a success ends the grace`() {
        var state = self.state(grace: .seconds(10))
        self.record(self.good, in: &state, at: .test(1))
        #expect(state.standing == .up)
        #expect(self.record(self.bad, in: &state, at: .test(2))?.kind == .change)
        #expect(state.standing == .down)
    }

    @Test func `silence in the grace is not believed either`() {
        let state = self.state(grace: .seconds(10), initial: .healthy)
        #expect(!state.isTooOld(at: .test(10_000)))
        #expect(state.isTooOld(at: .test(10_001)))
    }

    // MARK: Runs

    @Test func `a run that is over its time is a failure, and its late report is not heard`() {
        var state = self.state()
        self.record(self.good, in: &state)
        state.begin(2, at: .test(1000))
        #expect(state.runEnd == Moment.test(2000).instant)
        #expect(state.timeOut(next: .seconds(1), at: .test(2000)).record?.reason == "No answer.")
        #expect(state.isGivenUp)
        let late = state.end(2, report: self.good, took: .seconds(9), next: .seconds(1), at: .test(10_000))
        #expect(late.record == nil)
        #expect(state.standing == .down)
        #expect(state.run == .idle)
        #expect(state.view.history.count == 2)
    }

    @Test func `a turn that is missed because of a hanging run counts towards the threshold`() {
        var state = self.state(failures: 3)
        self.record(self.good, in: &state)
        state.begin(2, at: .test(1000))
        #expect(state.timeOut(next: .seconds(1), at: .test(2000)).record == nil)
        #expect(state.missTurn(next: .seconds(1), at: .test(3000)) == nil)
        #expect(state.missTurn(next: .seconds(1), at: .test(4000))?.standing == .down)
    }

    @Test func `the report of a run of another registration is nobody's`() {
        var state = self.state()
        state.begin(2, at: .test())
        let stray = state.end(1, report: self.bad, took: .zero, next: .seconds(1), at: .test())
        #expect(stray.record == nil)
        #expect(state.run == .underWay(2, since: self.start.instant))
    }

    // MARK: Chance

    @Test func `the pause is the interval give or take the jitter`() {
        var generator = SplitMix(state: 7)
        let check = self.state(interval: .seconds(10), jitter: 0.2).check
        var seen: (shortest: Duration, longest: Duration) = (.seconds(100), .zero)
        for _ in 0..<10_000 {
            let bits = generator.next()
            let pause = Moment.test(random: { bits }).pause(of: check)
            #expect((.seconds(8) ... .seconds(12)).contains(pause))
            seen = (min(seen.shortest, pause), max(seen.longest, pause))
        }
        #expect(seen.shortest < .seconds(8.01) && seen.longest > .seconds(11.99))
        #expect(Moment.test(random: { 0 }).pause(of: check) == .seconds(8))
    }

    @Test func `an id has 16 digits whatever chance says`() {
        #expect(Moment.test(random: { 0x2a }).newID() == "000000000000002a")
        #expect(Moment.test(random: { .max }).newID() == "ffffffffffffffff")
    }
}

extension Moment {
    private static let beginning = SuspendingClock.now

    /// A moment so many milliseconds after the beginning of all tests.
    static func test(
        _ milliseconds: Int = 0,
        random: @escaping @Sendable () -> UInt64 = { .random(in: .min ... .max) }
    ) -> Moment {
        Moment(
            instant: Self.beginning.advanced(by: .milliseconds(milliseconds)),
            wall: Timestamp(millisecondsSince1970: 1_761_543_240_000 + milliseconds),
            random: random
        )
    }
}

/// Chance that is the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var bits = self.state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
