// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// All checks and groups of an engine, and what they mean for each other: ``HealthEngine`` performs the returned effects.
///
/// It does nothing by itself and looks at no clock. One lock around it makes every event whole: a run's turn is given back
/// and its report recorded in one step, so that no older report can come after a newer one.
struct HealthLedger: Sendable {
    /// What an event has caused.
    struct Effects: Sendable {
        /// Runs to begin.
        var starts: [(id: CheckState.RunID, check: HealthCheck)] = []
        /// Runs to cancel. They may never come back.
        var cancels: [CheckState.RunID] = []
        /// Who has waited long enough.
        var answered: [FirstAnswer<Void>] = []
        /// What to log, in this order.
        var records: [CheckState.Record] = []
        /// Whether there is something new to show.
        var hasNewPicture = false
    }

    private(set) var checks: [CheckState] = []
    private(set) var groups: [HealthGroup] = []
    /// Whether runs are begun when they are due.
    private(set) var isRunning = false
    /// Whether they were, and are not any more.
    private(set) var hasStopped = false
    private var lastRunID: CheckState.RunID = 0

    // MARK: Registration

    /// Registers checks together, so that they may depend on each other in any order; all or none.
    mutating func register(
        _ new: [HealthCheck],
        at moment: Moment,
        _ effects: inout Effects
    ) throws(HealthCheckError) {
        try self.validate(new)
        self.checks += new.map { CheckState(check: $0, at: moment) }
        effects.hasNewPicture = true
        self.advance(to: moment, &effects)
    }

    /// Removes a check. Those that depend on it go on without it, until a check of this name is registered again.
    ///
    /// - Returns: whether there was one.
    mutating func remove(_ name: String, at moment: Moment, _ effects: inout Effects) -> Bool {
        guard let index = self.index(of: name) else { return false }
        self.giveUp(index, &effects)
        self.checks.remove(at: index)
        effects.hasNewPicture = true
        self.advance(to: moment, &effects)
        return true
    }

    mutating func register(_ group: HealthGroup, _ effects: inout Effects) throws(HealthCheckError) {
        guard Self.isName(group.name) else { throw .invalidName(group.name) }
        guard !self.groups.contains(where: { $0.name == group.name }) else { throw .duplicateName(group.name) }
        guard group.required.isSubset(of: group.checks) else {
            throw .invalidValue(of: group.name, "a group requires only checks that it has")
        }
        guard Set(group.checks).count == group.checks.count else {
            throw .invalidValue(of: group.name, "a group has each check once")
        }
        self.groups.append(group)
        effects.hasNewPicture = true
    }

    private func validate(_ new: [HealthCheck]) throws(HealthCheckError) {
        var dependencies: [String: [String]] = [:]
        for state in self.checks { dependencies[state.check.name] = state.check.dependencies }
        for check in new {
            guard Self.isName(check.name) else { throw .invalidName(check.name) }
            guard check.name != HealthSnapshot.serverName else { throw .reservedName(check.name) }
            guard dependencies.updateValue(check.dependencies, forKey: check.name) == nil else {
                throw .duplicateName(check.name)
            }
            guard check.interval > .zero, check.timeout > .zero else {
                throw .invalidValue(of: check.name, "interval and timeout are above zero")
            }
            guard (0...1).contains(check.jitter), check.failureThreshold >= 1, check.successThreshold >= 1 else {
                throw .invalidValue(of: check.name, "a jitter is from 0 to 1, and a threshold at least 1")
            }
            guard check.unanswered.status != .healthy else {
                throw .invalidValue(of: check.name, "a run without an answer is not healthy")
            }
        }
        for check in new {
            for dependency in check.dependencies where dependencies[dependency] == nil {
                throw .unknownDependency(dependency, of: check.name)
            }
            var reached: Set<String> = []
            var rest = check.dependencies
            while let name = rest.popLast() {
                guard name != check.name else { throw .cycle(check.name) }
                if reached.insert(name).inserted { rest += dependencies[name] ?? [] }
            }
        }
    }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    private func index(of name: String) -> Int? { self.checks.firstIndex { $0.check.name == name } }

    // MARK: Time

    /// From now on runs are begun when they are due; the first ones at once.
    mutating func start(at moment: Moment, _ effects: inout Effects) {
        self.isRunning = true
        self.hasStopped = false
        self.advance(to: moment, &effects)
    }

    /// No run is begun any more, and nobody waits for those under way.
    mutating func stop(_ effects: inout Effects) {
        self.hasStopped = self.isRunning
        self.isRunning = false
        for index in self.checks.indices { self.giveUp(index, &effects) }
    }

    /// Does what the time has come for.
    mutating func advance(to moment: Moment, _ effects: inout Effects) {
        for index in self.checks.indices {
            if let runEnd = self.checks[index].runEnd, moment.instant >= runEnd {
                self.cancel(index, &effects)
                let pause = moment.pause(of: self.checks[index].check)
                let (record, waiters) = self.checks[index].timeOut(next: pause, at: moment)
                effects.answered += waiters
                self.note(record, &effects)
            } else if self.isRunning, self.checks[index].isGivenUp, self.isDue(index, at: moment) {
                let pause = moment.pause(of: self.checks[index].check)
                self.note(self.checks[index].missTurn(next: pause, at: moment), &effects)
            } else if self.checks[index].isTooOld(at: moment) {
                self.note(self.checks[index].expire(at: moment), &effects)
            }
        }
        self.settleDependencies(at: moment, &effects)
        guard self.isRunning else { return }
        for index in self.checks.indices where self.checks[index].run == .idle && self.isDue(index, at: moment) {
            self.begin(index, at: moment, &effects)
        }
    }

    private func isDue(_ index: Int, at moment: Moment) -> Bool {
        moment.instant >= self.checks[index].due && !self.checks[index].isBlocked
    }

    /// When ``advance(to:_:)`` has something to do.
    var nextEvent: SuspendingClock.Instant? {
        self.checks.lazy.compactMap { state in
            if let runEnd = state.runEnd { return runEnd }
            return self.isRunning && !state.isBlocked ? state.due : nil
        }.min()
    }

    // MARK: Runs

    /// Has a check run besides its interval.
    ///
    /// - Returns: whether there is something to wait for. There is not if the check does not exist, depends on one that is
    ///   not up, or hangs.
    mutating func runNow(
        _ name: String,
        for waiter: FirstAnswer<Void>,
        at moment: Moment,
        _ effects: inout Effects
    ) -> Bool {
        // What is overdue is known to hang before anybody waits for it.
        self.advance(to: moment, &effects)
        guard let index = self.index(of: name), !self.checks[index].isBlocked else { return false }
        switch self.checks[index].run {
        case .idle: self.begin(index, for: [waiter], at: moment, &effects)
        case .underWay: self.checks[index].awaitNextRun(waiter)
        case .givenUp: return false
        }
        return true
    }

    /// A run came back, if it is still known.
    mutating func end(
        _ id: CheckState.RunID,
        report: HealthReport,
        took responseTime: Duration,
        at moment: Moment,
        _ effects: inout Effects
    ) {
        let index = self.checks.firstIndex { state in
            switch state.run {
            case .underWay(id, _), .givenUp(id): true
            case .idle, .underWay, .givenUp: false
            }
        }
        guard let index else { return }
        // One that took too long is too late, even if nobody has looked at the clock since. One that did not, and comes
        // late because the process stood still, is as true as any.
        if responseTime >= self.checks[index].check.timeout { self.advance(to: moment, &effects) }
        let pause = moment.pause(of: self.checks[index].check)
        let (record, waiters) = self.checks[index].end(
            id, report: report, took: responseTime, next: pause, at: moment)
        effects.answered += waiters
        self.note(record, &effects)
        self.settleDependencies(at: moment, &effects)
        let nextWaiters = self.checks[index].takeNextWaiters()
        if !nextWaiters.isEmpty {
            // It cannot be blocked: whoever blocks it sends the waiters home.
            self.begin(index, for: nextWaiters, at: moment, &effects)
        }
        // What depends on it need not wait.
        self.advance(to: moment, &effects)
    }

    private mutating func begin(
        _ index: Int,
        for waiters: [FirstAnswer<Void>] = [],
        at moment: Moment,
        _ effects: inout Effects
    ) {
        self.lastRunID += 1
        self.checks[index].begin(self.lastRunID, for: waiters, at: moment)
        effects.hasNewPicture = true
        effects.starts.append((self.lastRunID, self.checks[index].check))
    }

    private func cancel(_ index: Int, _ effects: inout Effects) {
        if case .underWay(let id, _) = self.checks[index].run { effects.cancels.append(id) }
    }

    private mutating func giveUp(_ index: Int, _ effects: inout Effects) {
        if self.checks[index].runEnd != nil { effects.hasNewPicture = true }
        self.cancel(index, &effects)
        effects.answered += self.checks[index].abandon()
    }

    private func note(_ record: CheckState.Record?, _ effects: inout Effects) {
        effects.hasNewPicture = true
        if let record { effects.records.append(record) }
    }

    // MARK: Dependencies

    /// Tells every check which of those that it depends on are not up. There is no circle, so it comes to an end.
    private mutating func settleDependencies(at moment: Moment, _ effects: inout Effects) {
        guard self.checks.contains(where: { !$0.check.dependencies.isEmpty }) else { return }
        var isSettled = false
        while !isSettled {
            isSettled = true
            var standings: [String: CheckView.Standing] = [:]
            for state in self.checks { standings[state.check.name] = state.standing }
            for index in self.checks.indices {
                // One that was removed is nobody's trouble.
                let down = self.checks[index].check.dependencies.filter { (standings[$0] ?? .up) != .up }
                guard self.checks[index].blockers != down else { continue }
                let standing = self.checks[index].standing
                self.note(self.checks[index].depend(onDown: down, at: moment), &effects)
                // Its answer would only be one more alarm.
                if !down.isEmpty { self.giveUp(index, &effects) }
                if self.checks[index].standing != standing { isSettled = false }
            }
        }
    }
}
