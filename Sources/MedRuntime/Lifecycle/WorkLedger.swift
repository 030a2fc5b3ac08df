// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Everything that is in flight, so that a shutdown can wait for it and the log can say what held it up.
///
/// Work from outside (a request, a job) is admitted through a gate that the shutdown closes. Work inside work that was
/// admitted (a transaction of a request) is always taken: what was begun is finished.
public final class WorkLedger: Sendable {
    private struct State {
        /// By the value of ``Work/workID``.
        var entries: [UInt: any Work] = [:]
        var isGateOpen = true
        var isCancelled = false
        /// Kept while the shutdown wants to know; the clock is not read for every request otherwise.
        var lastAdmission: SuspendingClock.Instant?
        var onIdle: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// How much is in flight, for the signal handler of the crash guard, which can take no lock.
    let published: PublishedCount

    /// Creates an empty ledger with an open gate.
    public init() { self.published = PublishedCount() }

    /// Enters work that comes from outside. False once the gate is closed.
    public func admit(_ work: any Work) -> Bool {
        self.state.withLock { state in
            guard state.isGateOpen else { return false }
            if state.lastAdmission != nil { state.lastAdmission = .now }
            state.entries[work.workID.value] = work
            self.published.set(state.entries.count)
            return true
        }
    }

    /// Enters work that belongs to work in flight, whether the gate is open or not. Once that has ended, what it has left
    /// behind comes from outside like any other: false once the gate is closed.
    func begin(_ work: any Work, inside parent: UInt) -> Bool {
        let (isTaken, isCancelled) = self.state.withLock { state -> (Bool, Bool) in
            guard state.isGateOpen || state.entries[parent] != nil else { return (false, false) }
            state.entries[work.workID.value] = work
            self.published.set(state.entries.count)
            return (true, state.isCancelled)
        }
        if isCancelled { work.cancelWork() }
        return isTaken
    }

    /// Enters work of the process itself, which is waited for whether the gate is open or not.
    public func begin(_ work: any Work) {
        let isCancelled = self.state.withLock { state in
            state.entries[work.workID.value] = work
            self.published.set(state.entries.count)
            return state.isCancelled
        }
        if isCancelled { work.cancelWork() }
    }

    /// Strikes out finished work. Doing it twice does nothing.
    public func end(_ work: any Work) {
        let onIdle = self.state.withLock { state -> (@Sendable () -> Void)? in
            guard state.entries.removeValue(forKey: work.workID.value) != nil else { return nil }
            self.published.set(state.entries.count)
            guard !state.isGateOpen, state.entries.isEmpty else { return nil }
            return state.onIdle
        }
        onIdle?()
    }

    /// The thread that did this work is lost, and with it what belongs to the work: each is asked to finish what others
    /// wait for, and is struck out when it has.
    func lose(_ id: UInt) {
        let lost = self.state.withLock { state in
            state.entries.values.filter { $0.workID.value == id || ($0 as? NamedWork)?.parent == id }
        }
        for work in lost { work.loseWork { self.end(work) } }
    }

    /// Strikes out all work that nobody can finish any more, and says how much that was.
    @discardableResult
    public func strikeOut(where isLost: (any Work) -> Bool) -> Int {
        let lost = self.state.withLock { Array($0.entries.values) }.filter(isLost)
        for work in lost { self.end(work) }
        return lost.count
    }

    /// Work in flight; nil if there is no such work.
    func entry(_ id: UInt) -> (any Work)? { self.state.withLock { $0.entries[id] } }

    /// How much is in flight.
    public var count: Int { self.state.withLock { $0.entries.count } }

    /// How much of a kind is in flight.
    public func count(where isCounted: (any Work) -> Bool) -> Int {
        self.state.withLock { $0.entries.values.count(where: isCounted) }
    }

    /// What is in flight: names and how many of each, most first, at most `limit` names.
    public func summary(limit: Int = 8) -> String {
        let works = self.state.withLock { Array($0.entries.values) }
        var counts: [String: Int] = [:]
        for work in works { counts[work.workName, default: 0] += 1 }
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        let shown = sorted.prefix(limit).map { "\($0.key) ×\($0.value)" }.joined(separator: ", ")
        return sorted.count > limit ? shown + ", and \(sorted.count - limit) more kinds" : shown
    }

    /// Begins to keep the moment of the last admission, counting from now.
    func watchAdmissions() {
        self.state.withLock { $0.lastAdmission = .now }
    }

    /// When work was last admitted, or when watching began.
    var lastAdmission: SuspendingClock.Instant? { self.state.withLock { $0.lastAdmission } }

    /// Refuses work from outside from here on. `onIdle` is called once nothing is in flight, perhaps at once.
    func closeGate(onIdle: @escaping @Sendable () -> Void) {
        let isIdle = self.state.withLock { state in
            state.isGateOpen = false
            state.onIdle = onIdle
            return state.entries.isEmpty
        }
        if isIdle { onIdle() }
    }

    /// Asks everything in flight to stop early, and says how much that is. What begins from here on is asked at once.
    func cancelAll() -> Int {
        let works = self.state.withLock { state in
            state.isCancelled = true
            return Array(state.entries.values)
        }
        for work in works { work.cancelWork() }
        return works.count
    }
}

/// A number at a fixed address, written with a lock held and read by a signal handler without one.
final class PublishedCount: @unchecked Sendable {
    // Unchecked: an aligned word is written and read in one piece on every processor that Swift runs on.
    let address: UnsafeMutablePointer<Int64>

    init() {
        self.address = .allocate(capacity: 1)
        self.address.initialize(to: 0)
    }

    deinit { self.address.deallocate() }

    func set(_ count: Int) { self.address.pointee = Int64(count) }
}
