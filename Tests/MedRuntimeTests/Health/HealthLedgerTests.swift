// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTesting
import Testing

@testable import MedRuntime

/// Many checks together, without a task or a clock.
@Suite struct HealthLedgerTests {
    private func check(
        _ name: String,
        readiness: HealthCheck.Readiness = .required,
        dependencies: [String] = [],
        failures: Int = 1,
        grace: Duration = .zero
    ) -> HealthCheck {
        HealthCheck(
            name,
            readiness: readiness,
            interval: .seconds(10),
            jitter: 0,
            timeout: .seconds(5),
            failureThreshold: failures,
            startUpGrace: grace,
            dependencies: dependencies,
            initial: HealthReport(status: .degraded),
            unanswered: HealthReport(status: .unhealthy, reason: "No answer."),
            run: { HealthReport(status: .healthy) }
        )
    }

    private let good = HealthReport(status: .healthy)
    private let bad = HealthReport(status: .unhealthy, reason: "It is broken.")

    /// A ledger with a helper for each event.
    private struct Bench {
        var ledger = HealthLedger()
        var now = 0
        var effects = HealthLedger.Effects()
        /// The runs that have begun and not come back, by check.
        var runs: [String: CheckState.RunID] = [:]
        var starts: [String] = []
        var records: [CheckState.Record] = []

        var moment: Moment { .test(self.now) }

        mutating func collect() {
            for start in self.effects.starts {
                #expect(self.runs.updateValue(start.id, forKey: start.check.name) == nil, "two of a kind")
                self.starts.append(start.check.name)
            }
            self.records += self.effects.records
            self.effects = HealthLedger.Effects()
        }

        mutating func start(_ checks: [HealthCheck]) throws {
            try self.ledger.register(checks, at: self.moment, &self.effects)
            self.ledger.start(at: self.moment, &self.effects)
            self.collect()
        }

        mutating func advance(_ seconds: Double) {
            self.now += Int(seconds * 1000)
            self.ledger.advance(to: self.moment, &self.effects)
            self.collect()
        }

        mutating func takeRun(_ name: String) throws -> CheckState.RunID {
            let id = self.runs.removeValue(forKey: name)
            return try #require(id)
        }

        mutating func end(_ name: String, _ report: HealthReport, took: Duration = .zero) throws {
            let id = try self.takeRun(name)
            self.ledger.end(id, report: report, took: took, at: self.moment, &self.effects)
            self.collect()
        }

        mutating func runNow(_ name: String, _ waiter: FirstAnswer<Void>) {
            let isWorthWaiting = self.ledger.runNow(name, for: waiter, at: self.moment, &self.effects)
            #expect(isWorthWaiting)
        }

        mutating func remove(_ name: String) {
            let isRemoved = self.ledger.remove(name, at: self.moment, &self.effects)
            #expect(isRemoved)
        }

        func standing(_ name: String) -> CheckView.Standing? {
            self.ledger.checks.first { $0.check.name == name }?.standing
        }
    }

    // MARK: Registration

    @Test(arguments: ["", "a b", "a/b", "ä", "a\"", "..", ".", String(repeating: "a", count: 65)])
    func `a name with other characters is refused`(name: String) {
        var bench = Bench()
        let error = #expect(throws: HealthCheckError.self) { try bench.start([self.check(name)]) }
        #expect(error?.code == .invalidName)
        #expect(error?.description.contains("letters") == true)
    }

    @Test func `a name is taken once, and that of the server always`() throws {
        var bench = Bench()
        try bench.start([self.check("a-B_1.c")])
        for name in ["a-B_1.c", "server"] {
            let error = #expect(throws: HealthCheckError.self) { try bench.start([self.check(name)]) }
            #expect(error?.code == .duplicateName)
        }
        #expect(throws: HealthCheckError.self) { try bench.start([self.check("b"), self.check("b")]) }
        #expect(bench.ledger.checks.count == 1)
    }

    @Test func `a dependency is registered before, or together with what depends on it`() throws {
        var bench = Bench()
        let error = #expect(throws: HealthCheckError.self) {
            try bench.start([self.check("b", dependencies: ["a"])])
        }
        #expect(error?.code == .unknownDependency)
        #expect(error?.description == "The check 'b' depends on 'a', which is not registered: register that first.")
        try bench.start([self.check("b", dependencies: ["a"]), self.check("a")])
    }

    @Test func `a circle is refused, also one that comes about by removing and registering again`() throws {
        var bench = Bench()
        for circle in [
            [self.check("a", dependencies: ["a"])],
            [
                self.check("a", dependencies: ["b"]), self.check("b", dependencies: ["c"]),
                self.check("c", dependencies: ["a"]),
            ],
        ] {
            let error = #expect(throws: HealthCheckError.self) { try bench.start(circle) }
            #expect(error?.code == .cycle)
        }
        try bench.start([self.check("a"), self.check("b", dependencies: ["a"])])
        bench.remove("a")
        let error = #expect(throws: HealthCheckError.self) { try bench.start([self.check("a", dependencies: ["b"])]) }
        #expect(error?.code == .cycle)
    }

    @Test func `values that make no sense are refused`() {
        let changes: [(inout HealthCheck) -> Void] = [
            { $0.interval = .zero }, { $0.timeout = .zero }, { $0.jitter = 1.5 }, { $0.failureThreshold = 0 },
            { $0.unanswered.status = .healthy },
        ]
        for change in changes {
            var check = self.check("a")
            change(&check)
            var bench = Bench()
            let error = #expect(throws: HealthCheckError.self) { try bench.start([check]) }
            #expect(error?.code == .invalidValue)
        }
    }

    @Test func `groups are checked as checks are`() throws {
        var ledger = HealthLedger()
        var effects = HealthLedger.Effects()
        try ledger.register(HealthGroup("edge", checks: ["a"], required: ["a"]), &effects)
        let wrong: [(HealthGroup, HealthCheckError.Code)] = [
            (HealthGroup("edge", checks: []), .duplicateName), (HealthGroup("a/b", checks: []), .invalidName),
            (HealthGroup("b", checks: ["a"], required: ["c"]), .invalidValue),
            (HealthGroup("b", checks: ["a", "a"]), .invalidValue),
        ]
        for (group, code) in wrong {
            let error = #expect(throws: HealthCheckError.self) { try ledger.register(group, &effects) }
            #expect(error?.code == code)
        }
    }

    // MARK: Runs

    @Test func `all run at once, and then each an interval after its last answer`() throws {
        var bench = Bench()
        try bench.start([self.check("a"), self.check("b")])
        #expect(bench.starts == ["a", "b"])
        try bench.end("a", self.good)
        bench.now += 2000
        try bench.end("b", self.good)
        #expect(bench.ledger.nextEvent == Moment.test(10_000).instant)
        bench.advance(8)
        #expect(bench.starts == ["a", "b", "a"])
        bench.advance(2)
        #expect(bench.starts == ["a", "b", "a", "b"])
    }

    @Test func `a thousand intervals of a hanging check are one run`() throws {
        var bench = Bench()
        try bench.start([self.check("a", failures: 3)])
        bench.advance(5)
        #expect(bench.records.map(\.reason) == ["No answer."])
        for _ in 0..<1000 { bench.advance(10) }
        #expect(bench.starts == ["a"])
        #expect(bench.records.count == 1)
        #expect(bench.ledger.checks.first?.view.history.count == 60)
        // At last.
        try bench.end("a", self.good)
        #expect(bench.standing("a") == .down)
        bench.advance(10)
        #expect(bench.starts == ["a", "a"])
        try bench.end("a", self.good)
        #expect(bench.standing("a") == .up)
    }

    @Test func `callers who come while a run is under way share the next one`() throws {
        var bench = Bench()
        try bench.start([self.check("a")])
        let waiters = (0..<5).map { _ in FirstAnswer<Void>() }
        for waiter in waiters {
            bench.runNow("a", waiter)
        }
        #expect(bench.effects.starts.isEmpty && bench.effects.answered.isEmpty)
        let first = try bench.takeRun("a")
        bench.ledger.end(first, report: self.bad, took: .zero, at: bench.moment, &bench.effects)
        #expect(bench.effects.answered.isEmpty)
        #expect(bench.effects.starts.count == 1)
        bench.collect()
        let second = try bench.takeRun("a")
        bench.ledger.end(second, report: self.good, took: .zero, at: bench.moment, &bench.effects)
        #expect(bench.effects.answered.map(ObjectIdentifier.init) == waiters.map(ObjectIdentifier.init))
        #expect(bench.effects.starts.isEmpty)
    }

    @Test func `whoever waits is sent home when the check hangs, is removed, is blocked, or the engine stops`() throws {
        for ending in 0..<4 {
            var bench = Bench()
            try bench.start([self.check("a"), self.check("b", dependencies: ["a"])])
            try bench.end("a", self.good)
            let waiter = FirstAnswer<Void>()
            bench.runNow("b", waiter)
            bench.collect()
            switch ending {
            case 0:
                bench.now += 5000
                bench.ledger.advance(to: bench.moment, &bench.effects)
            case 1:
                bench.remove("b")
            case 2:
                bench.runNow("a", FirstAnswer())
                bench.collect()
                let run = try #require(bench.runs["a"])
                bench.ledger.end(run, report: self.bad, took: .zero, at: bench.moment, &bench.effects)
            default:
                bench.ledger.stop(&bench.effects)
            }
            #expect(bench.effects.answered.contains { $0 === waiter }, "ending \(ending)")
            let run = try #require(bench.runs["b"])
            #expect(bench.effects.cancels == [run], "ending \(ending)")
        }
    }

    @Test func `the late report of a removed check is not that of its successor`() throws {
        var bench = Bench()
        try bench.start([self.check("a")])
        let old = try bench.takeRun("a")
        bench.remove("a")
        #expect(bench.effects.cancels == [old])
        bench.collect()
        try bench.ledger.register([self.check("a")], at: bench.moment, &bench.effects)
        bench.collect()
        bench.ledger.end(old, report: self.bad, took: .zero, at: bench.moment, &bench.effects)
        bench.collect()
        #expect(bench.records.isEmpty)
        try bench.end("a", self.good)
        #expect(bench.standing("a") == .up)
    }

    @Test func `a report that took too long is too late, whoever looks first`() throws {
        var bench = Bench()
        try bench.start([self.check("a")])
        bench.now += 5000
        try bench.end("a", self.good, took: .seconds(5))
        #expect(bench.standing("a") == .down)
    }

    @Test func `a process that stood still hears a report that took no longer than it may`() throws {
        var bench = Bench()
        try bench.start([self.check("a")])
        bench.now += 60_000
        try bench.end("a", self.good, took: .seconds(1))
        #expect(bench.standing("a") == .up)
    }

    // MARK: Dependencies

    @Test func `a check whose dependency is down is unknown, is not run, and raises no alarm`() throws {
        var bench = Bench()
        try bench.start([
            self.check("a"), self.check("b", dependencies: ["a"]), self.check("c", dependencies: ["b"]),
        ])
        #expect(bench.starts == ["a"])
        for name in ["a", "b", "c"] { try bench.end(name, self.good) }
        #expect(bench.starts == ["a", "b", "c"])
        bench.records = []
        bench.advance(10)
        try bench.end("a", self.bad)
        #expect(["a", "b", "c"].map(bench.standing) == [.down, .unknown, .unknown])
        #expect(bench.records.filter { $0.standing == .down }.map(\.name) == ["a"])
        #expect(bench.ledger.checks.last?.view.failureID == nil)
        #expect(bench.ledger.checks[1].view.report.summary == "It depends on a, which is not up.")

        // What was under way when it happened is not heard.
        try bench.end("b", self.bad)
        try bench.end("c", self.bad)
        for _ in 0..<10 {
            bench.advance(10)
            try bench.end("a", self.bad)
        }
        #expect(bench.starts.filter { $0 != "a" } == ["b", "c", "b", "c"])

        // Each at once when what it depends on is up again, and not before.
        bench.starts = []
        bench.advance(10)
        try bench.end("a", self.good)
        #expect(bench.starts == ["a", "b"])
        #expect(bench.standing("b") == .unknown)
        try bench.end("b", self.good)
        #expect(bench.starts == ["a", "b", "c"])
        #expect(bench.standing("c") == .unknown)
        try bench.end("c", self.good)
        #expect(["a", "b", "c"].map(bench.standing) == [.up, .up, .up])
    }

    @Test func `a run from before, which does not come back, has its time once more`() throws {
        var bench = Bench()
        try bench.start([self.check("a"), self.check("b", dependencies: ["a"])])
        for name in ["a", "b"] { try bench.end(name, self.good) }
        bench.advance(10)
        try bench.end("a", self.bad)
        bench.advance(10)
        try bench.end("a", self.good)
        #expect(bench.standing("b") == .unknown)
        bench.advance(4.9)
        #expect(bench.standing("b") == .unknown)
        bench.advance(0.1)
        #expect(bench.standing("b") == .down)

        // Now it comes back before that.
        try bench.end("b", self.good)
        bench.advance(10)
        try bench.end("a", self.good)
        try bench.end("b", self.good)
        bench.advance(10)
        try bench.end("a", self.bad)
        bench.advance(10)
        try bench.end("a", self.good)
        bench.starts = []
        try bench.end("b", self.bad)
        #expect(bench.starts == ["b"])
        try bench.end("b", self.good)
        #expect(bench.standing("b") == .up)
    }

    @Test func `what depends on a check that is removed goes on without it`() throws {
        var bench = Bench()
        try bench.start([self.check("a"), self.check("b", dependencies: ["a"])])
        try bench.end("a", self.bad)
        #expect(bench.standing("b") == .unknown)
        bench.remove("a")
        bench.collect()
        #expect(bench.starts == ["a", "b"])
        try bench.end("b", self.good)
        #expect(bench.standing("b") == .up)
        // A successor counts again.
        try bench.ledger.register([self.check("a")], at: bench.moment, &bench.effects)
        bench.collect()
        #expect(bench.standing("b") == .unknown)
    }

    @Test func `a silent dependency is a dependency that is not up`() throws {
        var bench = Bench()
        try bench.start([self.check("a"), self.check("b", dependencies: ["a"])])
        for name in ["a", "b"] { try bench.end(name, self.good) }
        bench.ledger.stop(&bench.effects)
        bench.advance(31)
        #expect(["a", "b"].map(bench.standing) == [.down, .unknown])
    }

    // MARK: Anything, in any order

    /// What must hold after every event.
    private func problem(_ ledger: HealthLedger, at moment: Moment) -> String? {
        for state in ledger.checks {
            let hasDown = state.check.dependencies.contains { name in
                ledger.checks.contains { $0.check.name == name && $0.standing != .up }
            }
            if hasDown, state.standing != .unknown { return "\(state.check.name) is known on something down" }
            if hasDown, state.runEnd != nil { return "\(state.check.name) runs on something down" }
            if state.failureID != nil, state.standing != .down {
                return "\(state.check.name) has an id and is not down"
            }
            if state.standing == .up, state.report.status != .healthy { return "\(state.check.name) is up and ill" }
            // Whoever looks at a picture that is too old gets a new one.
            if let validUntil = state.validUntil, validUntil < moment.instant {
                return "\(state.check.name) is valid until the past"
            }
        }
        if let next = ledger.nextEvent, next <= moment.instant { return "the alarm would ring for ever" }
        return nil
    }

    /// What a picture shows of a check.
    private struct Picture: Equatable {
        let name: String
        let standing: CheckView.Standing
        let runCount: Int
        let validUntil: SuspendingClock.Instant?
    }

    private func pictures(_ ledger: HealthLedger) -> [Picture] {
        ledger.checks.map { state in
            Picture(
                name: state.check.name,
                standing: state.standing,
                runCount: state.history.count,
                validUntil: state.validUntil
            )
        }
    }

    @Test func `whatever happens in whatever order, a hundred thousand times`() async throws {
        let checks = [
            self.check("a"), self.check("b", dependencies: ["a"], failures: 2),
            self.check("c", dependencies: ["b", "a"], grace: .seconds(20)),
        ]
        // It keeps a thread busy for long.
        let problems = try await onThread {
            (0..<100_000).compactMap { seed in self.anything(seed, checks).map { "\($0), seed \(seed)" } }
        }
        #expect(problems.isEmpty, "\(problems.count) problems: \(problems.prefix(5))")
    }

    private func anything(_ seed: UInt64, _ checks: [HealthCheck]) -> String? {
        var random = SplitMix(state: seed)
        var ledger = HealthLedger()
        var now = 0
        // Runs that have not come back, and whether their check is still there; a report says which run it is of.
        var flying: [(id: CheckState.RunID, name: String, isCurrent: Bool)] = []
        var waiting: Set<ObjectIdentifier> = []
        var waiters: [FirstAnswer<Void>] = []
        var last: [String: CheckState.Record] = [:]
        var shown: [String: UInt64] = [:]
        for _ in 0..<14 {
            let moment = Moment.test(now)
            var effects = HealthLedger.Effects()
            let before = self.pictures(ledger)
            var removed: String?
            switch random.next() % 16 {
            case 0:
                ledger.start(at: moment, &effects)
            case 1 where random.next() % 4 == 0:
                ledger.stop(&effects)
            case 2...4:
                let check = checks[Int(random.next() % 3)]
                try? ledger.register([check], at: moment, &effects)
            case 5 where random.next() % 2 == 0:
                let name = checks[Int(random.next() % 3)].name
                if ledger.remove(name, at: moment, &effects) { removed = name }
            case 6, 7:
                let waiter = FirstAnswer<Void>()
                waiters.append(waiter)
                let name = checks[Int(random.next() % 3)].name
                if ledger.runNow(name, for: waiter, at: moment, &effects) { waiting.insert(ObjectIdentifier(waiter)) }
            case 8...13 where !flying.isEmpty:
                let run = flying.remove(at: Int(random.next() % UInt64(flying.count)))
                let isGood = random.next() % 3 > 0
                let report = HealthReport(
                    status: isGood ? .healthy : .unhealthy, details: [("run", .integer(Int(run.id)))],
                    reason: isGood ? nil : "It is broken.")
                ledger.end(run.id, report: report, took: .milliseconds(random.next() % 8000), at: moment, &effects)
            default:
                now += Int(random.next() % 12_000)
            }
            ledger.advance(to: .test(now), &effects)

            if let removed {
                for index in flying.indices where flying[index].name == removed { flying[index].isCurrent = false }
                last[removed] = nil
                shown[removed] = nil
            }
            for start in effects.starts {
                if flying.contains(where: { $0.name == start.check.name && $0.isCurrent }) {
                    return "two runs of \(start.check.name)"
                }
                flying.append((start.id, start.check.name, true))
            }
            for waiter in effects.answered where waiting.remove(ObjectIdentifier(waiter)) == nil {
                // It was answered in the same event as it came, or twice.
                if !waiters.contains(where: { $0 === waiter }) { return "a stranger is answered" }
            }
            for record in effects.records where record.kind == .change {
                if let old = last[record.name], old.standing == .down, record.standing == .down,
                    old.failureID != record.failureID
                {
                    return "one failure has two ids"
                }
                if let old = last[record.name], old.standing != record.standing, record.standing == .down,
                    old.failureID == record.failureID
                {
                    return "two failures have one id"
                }
                if (record.standing == .down) != (record.failureID != nil) {
                    return "\(record.standing) with id \(record.failureID ?? "none")"
                }
                last[record.name] = record
            }
            for state in ledger.checks {
                for case ("run", .integer(let number)) in state.report.details {
                    let number = UInt64(number)
                    if number < shown[state.check.name] ?? 0 { return "an older report" }
                    shown[state.check.name] = number
                }
            }
            if !effects.hasNewPicture, self.pictures(ledger) != before {
                return "a change that nobody is shown"
            }
            if let problem = self.problem(ledger, at: .test(now)) { return problem }
        }
        var effects = HealthLedger.Effects()
        ledger.stop(&effects)
        for waiter in effects.answered { waiting.remove(ObjectIdentifier(waiter)) }
        return waiting.isEmpty ? nil : "somebody waits for ever"
    }
}
