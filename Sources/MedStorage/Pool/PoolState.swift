// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a pool has and who waits for it, as a value; ``ConnectionPool`` carries out what it says.
///
///     acquire ──an idle one──▶ use it                     ┌──no connection──▶ back-off ──pause over──┐
///        │                                                │                                         ▼
///        └──none──▶ waiting ◀─── connect, if there is room ┴───made──▶ the first who waits, or idle
///                     │
///                     ├──released──▶ the first who waits
///                     └──timeout, cancelled──▶ gone
///
/// While the database is away, one attempt at a time is made, and whoever waits for it gets its error.
struct PoolState {
    /// Whatever it is: a state for each type of connection would look its own type up at every step.
    typealias Connection = any PooledConnection
    typealias Instant = ContinuousClock.Instant

    struct Idle {
        let connection: Connection
        let expires: Instant
        let since: Instant
    }

    struct Waiter {
        let id: Int
        let since: Instant
        let continuation: CheckedContinuation<Result<Connection, DatabaseError>, Never>
    }

    /// A waiter and what it gets.
    struct Wakening {
        let waiter: Waiter
        let result: Result<Connection, DatabaseError>
    }

    /// What is to be done once the lock is free.
    struct Effects {
        var wakenings: [Wakening] = []
        var closing: [Connection] = []
        /// How many connections to begin to make, after that pause.
        var connects = 0
        var pause = Duration.zero
    }

    let configuration: PoolConfiguration
    /// Between 0 and 1; for pauses and lifetimes that differ.
    let random: @Sendable () -> Double

    /// In the order in which they came back: the last one is given out first, so that the others can go.
    private(set) var idle: [Idle] = []
    /// Those that somebody uses, and until when they may live.
    private(set) var busy: [ObjectIdentifier: (connection: Connection, expires: Instant)] = [:]
    private(set) var connecting = 0
    private(set) var waiters: [Waiter] = []
    private var lastWaiter = 0
    /// Grows with ``replaceAll()``: connections that are made for an earlier one are not kept.
    private(set) var generation = 0
    private(set) var isClosed = false
    /// How often connecting has failed in a row.
    private var failures = 0
    /// Since when somebody has been waiting, one after the other, while nothing was given out, given back or made.
    private var stalledSince: Instant?
    /// When the last who waited went away with nothing.
    private var lastDisappointment: Instant?

    init(configuration: PoolConfiguration, random: @escaping @Sendable () -> Double) {
        self.configuration = configuration
        self.random = random
    }

    var total: Int { self.idle.count + self.busy.count + self.connecting }

    func statistics(now: Instant) -> PoolStatistics {
        var statistics = PoolStatistics()
        statistics.busy = self.busy.count
        statistics.idle = self.idle.count
        statistics.connecting = self.connecting
        statistics.waiting = self.waiters.count
        if !self.waiters.isEmpty, let stalledSince { statistics.stalledFor = max(.zero, now - stalledSince) }
        return statistics
    }

    // MARK: - Taking

    enum Acquired {
        case connection(Connection, idleFor: Duration)
        case closed
        /// None is free.
        case none
    }

    /// An idle connection, if there is one; `expired` gets those that are past their time.
    mutating func takeIdle(now: Instant, expired: inout [Connection]) -> Acquired {
        if self.isClosed { return .closed }
        // Who came first is served first, although they could overtake.
        guard self.waiters.isEmpty else { return .none }
        while let last = self.idle.popLast() {
            guard last.expires > now, last.connection.isUsable else {
                expired.append(last.connection)
                continue
            }
            self.busy[ObjectIdentifier(last.connection)] = (last.connection, last.expires)
            self.noteMove(now)
            return .connection(last.connection, idleFor: now - last.since)
        }
        return .none
    }

    /// All that nobody has used for as long.
    mutating func takeAllIdle(for duration: Duration, now: Instant) -> [Connection] {
        let old = self.idle.filter { now - $0.since >= duration }
        self.idle.removeAll { now - $0.since >= duration }
        return old.map(\.connection)
    }

    mutating func nextWaiter() -> Int {
        self.lastWaiter += 1
        return self.lastWaiter
    }

    /// Puts somebody into the queue; begins a connection if there is room for one.
    mutating func wait(_ waiter: Waiter, now: Instant) -> Effects {
        var effects = Effects()
        guard !self.isClosed else {
            effects.wakenings = [Wakening(waiter: waiter, result: .failure(Self.closedError))]
            return effects
        }
        // Whoever comes soon after one who got nothing waits for the same trouble to end.
        if self.waiters.isEmpty, waiter.since > (self.lastDisappointment ?? waiter.since) + .seconds(1) {
            self.stalledSince = nil
        }
        self.stalledSince = self.stalledSince ?? waiter.since
        self.waiters.append(waiter)
        // What has come back since it was looked for. While somebody waits nobody takes one, so with all of them idle nothing would ever
        // come back to end the wait.
        while !self.waiters.isEmpty, let last = self.idle.popLast() {
            guard last.expires > now, last.connection.isUsable else {
                effects.closing.append(last.connection)
                continue
            }
            self.give(last.connection, expires: last.expires, now: now, to: &effects)
            self.noteMove(now)
        }
        self.addConnects(to: &effects)
        return effects
    }

    /// Something was given out, given back or made.
    private mutating func noteMove(_ now: Instant) {
        self.stalledSince = self.waiters.isEmpty ? nil : now
    }

    /// Somebody does not want to wait any longer; nil if a connection is on its way to them.
    mutating func giveUp(_ id: Int, now: Instant) -> Waiter? {
        guard let index = self.waiters.firstIndex(where: { $0.id == id }) else { return nil }
        self.lastDisappointment = now
        return self.waiters.remove(at: index)
    }

    /// Ends the wait of those whose time is over; the moment at which the next one's will be.
    mutating func expireWaiters(now: Instant) -> (Effects, Instant?) {
        var effects = Effects()
        while let first = self.waiters.first, first.since + self.configuration.acquireTimeout <= now {
            self.waiters.removeFirst()
            self.lastDisappointment = now
            let seconds = self.configuration.acquireTimeout / .seconds(1)
            let error = DatabaseError(
                code: .poolExhausted,
                description: self.failures > 0
                    ? "No connection could be made within \(seconds) s."
                    : "All \(self.configuration.maximum) connections were in use for \(seconds) s. Shorten the transactions, or allow more."
            )
            effects.wakenings.append(Wakening(waiter: first, result: .failure(error)))
        }
        return (effects, self.waiters.first.map { $0.since + self.configuration.acquireTimeout })
    }

    // MARK: - Giving back

    mutating func release(_ connection: Connection, now: Instant) -> Effects {
        var effects = Effects()
        // One of an earlier generation is not counted any more.
        guard let expires = self.busy.removeValue(forKey: ObjectIdentifier(connection))?.expires else {
            effects.closing = [connection]
            return effects
        }
        if self.isClosed || expires <= now || !connection.isUsable {
            effects.closing = [connection]
            self.addConnects(to: &effects)
        } else {
            self.give(connection, expires: expires, now: now, to: &effects)
        }
        self.noteMove(now)
        return effects
    }

    private mutating func give(_ connection: Connection, expires: Instant, now: Instant, to effects: inout Effects) {
        if self.waiters.isEmpty {
            self.idle.append(Idle(connection: connection, expires: expires, since: now))
        } else {
            self.busy[ObjectIdentifier(connection)] = (connection, expires)
            effects.wakenings.append(Wakening(waiter: self.waiters.removeFirst(), result: .success(connection)))
        }
    }

    // MARK: - Connecting

    /// Begins as many connections as somebody waits for or the minimum asks for, as far as there is room.
    private mutating func addConnects(to effects: inout Effects) {
        guard !self.isClosed else { return }
        let wanted = max(
            min(self.waiters.count - self.connecting, self.configuration.maximum - self.total),
            self.configuration.minimum - self.total)
        // While the database is away, one at a time finds out when it is back.
        let count = self.failures > 0 ? min(wanted, self.connecting == 0 ? 1 : 0) : wanted
        guard count > 0 else { return }
        self.connecting += count
        effects.connects = count
        effects.pause = self.pause
    }

    /// Before the next attempt: nothing at first, then longer each time, and never the same for two processes.
    private var pause: Duration {
        guard self.failures > 0 else { return .zero }
        let longest = min(
            .milliseconds(50) * Int(1 << min(self.failures - 1, 10)), self.configuration.longestPause)
        return longest * (0.5 + self.random() / 2)
    }

    /// Whether there is to be a first connection, and is none.
    mutating func fill() -> Effects {
        var effects = Effects()
        self.addConnects(to: &effects)
        return effects
    }

    mutating func connected(_ connection: Connection, generation: Int, now: Instant) -> Effects {
        var effects = Effects()
        guard generation == self.generation, !self.isClosed else {
            effects.closing = [connection]
            return effects
        }
        self.connecting -= 1
        self.failures = 0
        let lifetime = self.configuration.maximumLifetime * (1 - self.random() / 10)
        self.give(connection, expires: now + lifetime, now: now, to: &effects)
        self.noteMove(now)
        self.addConnects(to: &effects)
        return effects
    }

    mutating func connectFailed(_ error: DatabaseError, generation: Int) -> Effects {
        var effects = Effects()
        guard generation == self.generation, !self.isClosed else { return effects }
        self.connecting -= 1
        self.failures += 1
        // As long as somebody else's connection may come back, waiting is worth while.
        if self.busy.isEmpty, self.connecting == 0 {
            effects.wakenings = self.waiters.map { Wakening(waiter: $0, result: .failure(error)) }
            self.waiters = []
        }
        self.addConnects(to: &effects)
        return effects
    }

    // MARK: - Housekeeping

    /// Gives up what nobody has used for long, and what is lost.
    mutating func tidy(now: Instant) -> Effects {
        var effects = Effects()
        var kept: [Idle] = []
        var spare = self.total - self.configuration.minimum
        for one in self.idle {
            let isOld = one.since + self.configuration.idleTimeout <= now && spare > 0
            if isOld || one.expires <= now || !one.connection.isUsable {
                effects.closing.append(one.connection)
                spare -= 1
            } else {
                kept.append(one)
            }
        }
        self.idle = kept
        self.addConnects(to: &effects)
        return effects
    }

    /// Begins anew: closes what is idle, and lets go of what is not.
    mutating func replaceAll(now: Instant) -> Effects {
        var effects = Effects()
        guard !self.isClosed else { return effects }
        self.generation += 1
        effects.closing = self.idle.map(\.connection)
        self.idle = []
        self.busy = [:]
        self.connecting = 0
        self.failures = 0
        self.noteMove(now)
        self.addConnects(to: &effects)
        return effects
    }

    /// Gives nothing out any more.
    mutating func close() -> Effects {
        var effects = Effects()
        self.isClosed = true
        effects.closing = self.idle.map(\.connection)
        effects.wakenings = self.waiters.map { Wakening(waiter: $0, result: .failure(Self.closedError)) }
        self.idle = []
        self.waiters = []
        return effects
    }

    static var closedError: DatabaseError {
        DatabaseError(code: .closed, description: "The connections to the database are closed.")
    }
}
