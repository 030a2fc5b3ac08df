// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What is known of one check, and whether it may be run: events come with their time, effects are answers.
///
///     up ──failureThreshold failures in a row, or no answer for too long──▶ down
///     down ──successThreshold successes in a row──▶ up
///     any ──a dependency is not up──▶ unknown ──all are up, and the first run ends──▶ up or down
///
///     idle ──begin──▶ underWay ──end──▶ idle
///     underWay ──its time is over, or nobody wants it any more──▶ givenUp ──it returns at last──▶ idle
///
/// The first report decides alone, whatever the thresholds are: until then nothing was known.
struct CheckState: Sendable {
    /// The number of a run. No two runs of an engine share one, so that a report which comes after its check was removed,
    /// and registered again, belongs to nobody.
    typealias RunID = UInt64

    /// One of a kind: there is never a second run before this one has come back.
    enum Run: Sendable, Equatable {
        case idle
        case underWay(RunID, since: SuspendingClock.Instant)
        case givenUp(RunID)
    }

    /// What the log is told.
    struct Record: Sendable, Equatable {
        enum Kind { case change, disbelieved }

        let kind: Kind
        let name: String
        let standing: CheckView.Standing
        let status: HealthStatus
        let reason: String?
        let failureID: String?
    }

    /// Where the answer to "how is it?" comes from.
    private enum Source: Equatable {
        /// The registration: it has not run yet.
        case initial
        /// The report that was decided on.
        case run
        /// Nobody has answered for so long that the report is not believed any more.
        case stale
        /// These checks are not up.
        case blocked(by: [String])
        /// They are up again; it has not run since.
        case unblocked
    }

    let check: HealthCheck
    private(set) var run = Run.idle
    /// When the next run is due.
    private(set) var due: SuspendingClock.Instant
    private(set) var lastRun: Timestamp?
    private(set) var lastChange: Timestamp
    private(set) var responseTime: Duration?
    private(set) var history: [CheckView.Point] = []
    private(set) var failureID: String?
    private var source = Source.initial
    private var decided: HealthReport
    private var lastAnswer: SuspendingClock.Instant
    /// Until when a failure is not believed.
    private var graceEnd: SuspendingClock.Instant?
    private var failures = 0
    private var successes = 0
    /// Who waits for the run that is under way, and for the one after it.
    private var waiters: [FirstAnswer<Void>] = []
    private var nextWaiters: [FirstAnswer<Void>] = []

    init(check: HealthCheck, at moment: Moment) {
        self.check = check
        self.decided = check.initial
        self.due = moment.instant
        self.lastAnswer = moment.instant
        self.lastChange = moment.wall
        self.graceEnd = check.startUpGrace > .zero ? moment.instant.advanced(by: check.startUpGrace) : nil
    }

    // MARK: What is shown

    var standing: CheckView.Standing {
        switch self.source {
        case .blocked, .unblocked: .unknown
        case .initial, .run, .stale: self.report.status == .healthy ? .up : .down
        }
    }

    /// What counts.
    var report: HealthReport {
        switch self.source {
        case .initial, .run: return self.decided
        case .stale: return self.check.unanswered
        case .blocked(let names):
            let sentence =
                "It depends on \(names.joined(separator: ", ")), which \(names.count == 1 ? "is" : "are") not up."
            return self.unknownReport(because: sentence)
        case .unblocked:
            return self.unknownReport(because: "What it depends on is up again; it has not answered yet.")
        }
    }

    private func unknownReport(because sentence: String) -> HealthReport {
        var details: [(name: String, value: HealthReport.Value)] = [("status", .string("unknown"))]
        // The members that the contract names are always there.
        if self.check.detailsArePublic { details += self.check.unanswered.details.filter { $0.name != "status" } }
        return HealthReport(status: .degraded, details: details, reason: sentence, summary: sentence)
    }

    var view: CheckView {
        CheckView(
            check: self.check,
            standing: self.standing,
            report: self.report,
            failureID: self.failureID,
            lastRun: self.lastRun,
            lastChange: self.lastChange,
            responseTime: self.responseTime,
            history: self.history
        )
    }

    /// When the time of the run that is under way is over, if there is one.
    var runEnd: SuspendingClock.Instant? {
        guard case .underWay(_, let since) = self.run else { return nil }
        return since.advanced(by: self.check.timeout)
    }

    /// Until when the picture holds without another event. A run that is under way decides by its end; without one a
    /// report is too old after three intervals, each as long as the jitter can make it.
    var validUntil: SuspendingClock.Instant? {
        if let runEnd { return runEnd }
        switch self.source {
        case .initial, .run:
            let tooOld = self.lastAnswer.advanced(by: self.check.interval * (3 * (1 + self.check.jitter)))
            return max(tooOld, self.graceEnd ?? tooOld)
        case .stale, .blocked, .unblocked:
            return nil
        }
    }

    // MARK: Runs

    /// The checks that it depends on and that are not up.
    var blockers: [String] {
        if case .blocked(let names) = self.source { names } else { [] }
    }

    var isBlocked: Bool { !self.blockers.isEmpty }

    var isGivenUp: Bool {
        if case .givenUp = self.run { true } else { false }
    }

    /// Begins a run of an idle check that is not blocked.
    mutating func begin(_ id: RunID, for waiters: [FirstAnswer<Void>] = [], at moment: Moment) {
        precondition(self.run == .idle && !self.isBlocked, "one of a kind in flight")
        self.run = .underWay(id, since: moment.instant)
        self.waiters = waiters
    }

    /// Has somebody wait for the run after the one that is under way, which perhaps does not know yet what happened.
    mutating func awaitNextRun(_ waiter: FirstAnswer<Void>) { self.nextWaiters.append(waiter) }

    /// Whoever waits for the next run, once there is nothing under way.
    mutating func takeNextWaiters() -> [FirstAnswer<Void>] {
        defer { self.nextWaiters = [] }
        return self.nextWaiters
    }

    /// A run came back. The report counts if it came in time.
    ///
    /// - Returns: what to log, and who waited for it.
    mutating func end(
        _ id: RunID,
        report: HealthReport,
        took responseTime: Duration,
        next pause: Duration,
        at moment: Moment
    ) -> (record: Record?, waiters: [FirstAnswer<Void>]) {
        switch self.run {
        case .underWay(id, _):
            self.run = .idle
            self.due = moment.instant.advanced(by: pause)
            let record = self.take(report, took: responseTime, at: moment)
            defer { self.waiters = [] }
            return (record, self.waiters)
        case .givenUp(id):
            self.run = .idle
            // It could not be run when what it depends on came up again.
            if self.source == .unblocked { self.due = moment.instant }
            return (nil, [])
        case .idle, .underWay, .givenUp:
            return (nil, [])
        }
    }

    /// The time of the run that is under way is over.
    mutating func timeOut(next pause: Duration, at moment: Moment) -> (record: Record?, waiters: [FirstAnswer<Void>]) {
        self.due = moment.instant.advanced(by: pause)
        let record = self.take(self.check.unanswered, took: self.check.timeout, at: moment)
        return (record, self.abandon())
    }

    /// It was the check's turn while a run of it still has not come back.
    mutating func missTurn(next pause: Duration, at moment: Moment) -> Record? {
        self.due = moment.instant.advanced(by: pause)
        return self.take(self.check.unanswered, took: self.check.timeout, at: moment)
    }

    /// Nobody wants the answer of the run that is under way any more.
    ///
    /// - Returns: who waited, for it or for the one after it.
    mutating func abandon() -> [FirstAnswer<Void>] {
        if case .underWay(let id, _) = self.run { self.run = .givenUp(id) }
        defer {
            self.waiters = []
            self.nextWaiters = []
        }
        return self.waiters + self.nextWaiters
    }

    // MARK: Answers

    /// Takes an answer, or what stands for one that did not come.
    private mutating func take(_ new: HealthReport, took responseTime: Duration, at moment: Moment) -> Record? {
        self.lastRun = moment.wall
        self.lastAnswer = moment.instant
        self.responseTime = responseTime
        if self.history.count == CheckView.historyLength { self.history.removeFirst() }
        self.history.append(CheckView.Point(status: new.status, responseTime: responseTime))

        let isGood = new.status == .healthy
        self.successes = isGood ? self.successes + 1 : 0
        self.failures = isGood ? 0 : self.failures + 1
        if isGood { self.graceEnd = nil }
        if let graceEnd, moment.instant < graceEnd {
            return Record(
                kind: .disbelieved,
                name: self.check.name,
                standing: .down,
                status: new.status,
                reason: new.reason,
                failureID: nil
            )
        }

        let isFirst = self.source == .initial || self.source == .unblocked
        let isDecided =
            switch (self.decided.status == .healthy, isGood) {
            // After a silence there is nothing good left to hold on to.
            case (true, false): self.source == .stale || self.failures >= self.check.failureThreshold
            case (false, true): self.successes >= self.check.successThreshold
            case (true, true), (false, false): true
            }
        guard isFirst || isDecided else { return nil }
        return self.change(isFirst: isFirst, at: moment) {
            $0.decided = new
            $0.source = .run
        }
    }

    func isTooOld(at moment: Moment) -> Bool {
        guard self.runEnd == nil, let validUntil else { return false }
        return moment.instant > validUntil
    }

    /// The report has become too old to be believed.
    mutating func expire(at moment: Moment) -> Record? {
        self.change(at: moment) { $0.source = .stale }
    }

    /// Says which of the checks that it depends on are not up.
    mutating func depend(onDown names: [String], at moment: Moment) -> Record? {
        if names.isEmpty {
            guard self.isBlocked else { return nil }
            // It need not wait for its turn; a run from before that still has not come back has its time once more.
            self.due = self.isGivenUp ? moment.instant.advanced(by: self.check.timeout) : moment.instant
            self.source = .unblocked
            return nil
        }
        return self.change(at: moment) { $0.source = .blocked(by: names) }
    }

    /// Makes a change, and says what there is to log about it.
    private mutating func change(
        isFirst: Bool = false,
        at moment: Moment,
        _ body: (inout Self) -> Void
    ) -> Record? {
        let (oldStanding, oldReport) = (self.standing, self.report)
        body(&self)
        let (standing, report) = (self.standing, self.report)
        if standing != .down {
            self.failureID = nil
        } else if self.failureID == nil {
            self.failureID = moment.newID()
        }
        let hasMoved = standing != oldStanding || report.status != oldReport.status
        if hasMoved { self.lastChange = moment.wall }
        guard isFirst || hasMoved || report.reason != oldReport.reason else { return nil }
        return Record(
            kind: .change,
            name: self.check.name,
            standing: standing,
            status: report.status,
            reason: report.reason,
            failureID: self.failureID
        )
    }
}

/// The time of an event, by both clocks, and the chance that it needs.
struct Moment: Sendable {
    let instant: SuspendingClock.Instant
    let wall: Timestamp
    let random: @Sendable () -> UInt64

    /// 16 hex digits.
    func newID() -> String {
        let digits = String(self.random(), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The time to the next run of a check.
    func pause(of check: HealthCheck) -> Duration {
        // From -1 to 1, by 53 bits of chance.
        let part = Double(self.random() >> 11) * 0x1p-52 - 1
        return check.interval * (1 + check.jitter * part)
    }
}
