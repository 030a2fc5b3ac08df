// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Sends the items of one signal, one body after the other, in one task. What is left when it ends is for the spool.
///
///     waiting ──time, a full batch, flush──▶ sending ──all is sent──▶ waiting
///        │                                      │
///        └──drain──▶ sending the rest ──all is sent, no answer, cancelled──▶ ended
final class OTLPWorker<Item: Sendable>: Sendable {
    private struct State {
        /// Bodies that are not sent yet, the first one perhaps under way.
        var bodies: [OTLPBody] = []
        var isDraining = false
        /// Whether the report was made that is the last one.
        var hasLastReport = false
        var flushes: [CheckedContinuation<Void, Never>] = []
        var counters = OTLPCounters()
    }

    let signal: OTLPSignal
    private let bodies: OTLPBodies<Item>
    private let batching: OTLPBatching
    private let source: (@Sendable () -> [Item])?
    private let send: @Sendable (OTLPBody) async -> OTLPAnswer
    private let spool: OTLPSpool?
    private let clock: TelemetryClock
    private let random: @Sendable () -> Double
    private let queue: OTLPQueue<Item>
    private let bell = Doorbell()
    private let drainBell = Doorbell()
    private let state = Mutex(State())
    private let hasEnded = Atomic(false)

    /// - Parameter source: what is reported each time; `nil` if items come by ``record(_:size:)``.
    init(
        bodies: OTLPBodies<Item>, batching: OTLPBatching, source: (@Sendable () -> [Item])? = nil,
        spool: OTLPSpool?, clock: TelemetryClock, random: @escaping @Sendable () -> Double,
        send: @escaping @Sendable (OTLPBody) async -> OTLPAnswer
    ) {
        self.signal = bodies.signal
        self.bodies = bodies
        self.batching = batching
        self.source = source
        self.spool = spool
        self.clock = clock
        self.random = random
        self.send = send
        self.queue = OTLPQueue(limit: batching.queueLimit)
    }

    // MARK: Any thread

    var counters: OTLPCounters { self.state.withLock { $0.counters } }

    /// Never waits: what finds no room is dropped and counted.
    func record(_ item: Item, size: Int) {
        guard !self.hasEnded.load(ordering: .relaxed), let count = self.queue.append(item, size: size) else {
            let hasEnded = self.hasEnded.load(ordering: .relaxed)
            self.count { $0.drop(1, because: hasEnded ? .afterShutdown : .queueFull) }
            // Large items fill the queue before they fill a batch.
            self.bell.ring()
            return
        }
        if count == self.batching.batchLimit { self.bell.ring() }
    }

    /// Waits until all that is there now was sent or given up.
    func flush() async {
        await withCheckedContinuation { continuation in
            let isOver = self.state.withLock { state in
                // Within the lock: the task takes the flushes after it says that it has ended, so it sees this one.
                let hasEnded = self.hasEnded.load(ordering: .sequentiallyConsistent)
                if !hasEnded { state.flushes.append(continuation) }
                return hasEnded
            }
            if isOver { continuation.resume() } else { self.bell.ring() }
        }
    }

    /// Sends the rest, then ends.
    func drain() {
        self.state.withLock { $0.isDraining = true }
        self.drainBell.ring()
        self.bell.ring()
    }

    /// What was not sent. To be called when the task has ended, or if it was never started.
    func takeRest() -> [OTLPBody] {
        self.hasEnded.store(true, ordering: .sequentiallyConsistent)
        let (left, hasLastReport) = self.state.withLock { state in
            let bodies = state.bodies
            state.bodies = []
            return (bodies, state.hasLastReport)
        }
        var bodies = left
        if let source, !hasLastReport { bodies += self.encode(source()) }
        while case let items = self.queue.take(self.batching.batchLimit), !items.isEmpty {
            bodies += self.encode(items)
        }
        return bodies
    }

    func count(_ change: (inout OTLPCounters) -> Void) { self.state.withLock { change(&$0.counters) } }

    private func encode(_ items: [Item]) -> [OTLPBody] {
        let (bodies, dropped) = self.bodies.make(items)
        self.count { $0.drop(dropped, because: .tooLarge) }
        return bodies
    }

    // MARK: The task

    func run() async {
        var spoolRounds = 3
        await self.sendSpooled(&spoolRounds)
        var isOver = false
        while !isOver {
            await self.bell.wait(upTo: self.batching.delay, self.clock)
            let (flushes, isDraining) = self.state.withLock { state in
                let flushes = state.flushes
                state.flushes = []
                return (flushes, state.isDraining)
            }
            let isComplete = await self.sendAll(&spoolRounds)
            for flush in flushes { flush.resume() }
            isOver = !isComplete || isDraining && self.queue.count == 0
            // What has come meanwhile rang too early, or not at all.
            if self.queue.count >= (isDraining ? 1 : self.batching.batchLimit) { self.bell.ring() }
        }
        self.hasEnded.store(true, ordering: .sequentiallyConsistent)
        let flushes = self.state.withLock { state in
            let flushes = state.flushes
            state.flushes = []
            return flushes
        }
        for flush in flushes { flush.resume() }
    }

    /// Whether the task goes on.
    private func sendAll(_ spoolRounds: inout Int) async -> Bool {
        var wasTaken = false
        if let source {
            self.state.withLock { $0.hasLastReport = $0.isDraining }
            let bodies = self.encode(source())
            self.state.withLock { $0.bodies = bodies }
            guard await self.sendBodies(&wasTaken) else { return false }
        }
        // Only what is there now: whoever waits for it must not wait for what comes all the time.
        var rest = self.queue.count
        while case let items = self.queue.take(min(rest, self.batching.batchLimit)), !items.isEmpty {
            rest -= items.count
            let bodies = self.encode(items)
            self.state.withLock { $0.bodies = bodies }
            guard await self.sendBodies(&wasTaken) else { return false }
        }
        // The collector is back: what an earlier process has left can follow.
        if wasTaken { await self.sendSpooled(&spoolRounds) }
        return !Task.isCancelled
    }

    private func sendBodies(_ wasTaken: inout Bool) async -> Bool {
        while let body = self.state.withLock({ $0.bodies.first }) {
            switch await self.deliver(body) {
            case .interrupted: return false
            case .taken: wasTaken = true
            case .refused, .givenUp: self.count { $0.drop(body.count, because: $0.lastFailure) }
            }
            self.state.withLock { state in _ = state.bodies.removeFirst() }
        }
        return true
    }

    private enum Outcome { case taken, refused, givenUp, interrupted }

    /// Sends the body until it is taken, refused or given up.
    private func deliver(_ body: OTLPBody) async -> Outcome {
        var attempt = 0
        var spent = Duration.zero
        while true {
            let beginning = self.clock.now()
            switch await self.send(body) {
            case .taken(let rejected):
                self.count { counters in
                    counters.exported += body.count - rejected
                    counters.drop(rejected, because: .partiallyRejected)
                    counters.exportedBatches += 1
                }
                return .taken
            case .refused(let failure):
                self.count { counters in
                    counters.failedBatches += 1
                    counters.lastFailure = failure
                }
                return .refused
            case .later(let wanted, let failure):
                self.count { $0.lastFailure = failure }
                attempt += 1
                spent += self.clock.now() - beginning
                var isDraining = self.state.withLock { $0.isDraining }
                // There is little time: the next process has more of it.
                if Task.isCancelled || isDraining && self.spool != nil { return .interrupted }
                guard let pause = self.pause(wanted, attempt: attempt, left: self.batching.exportTimeout - spent) else {
                    self.count { $0.failedBatches += 1 }
                    return .givenUp
                }
                spent += pause
                self.count { $0.retries += 1 }
                if isDraining {
                    try? await self.clock.sleep(pause)
                } else {
                    await self.drainBell.wait(upTo: pause, self.clock)
                    isDraining = self.state.withLock { $0.isDraining }
                    if isDraining, self.spool != nil { return .interrupted }
                }
                if Task.isCancelled { return .interrupted }
            }
        }
    }

    /// How long to wait before the next attempt; nil if there is none.
    ///
    /// What the collector asks for holds up all that follows, so it counts like any other time, and is cut to what is left: the body is sent
    /// once more then, which is better than to give it up at once.
    private func pause(_ wanted: Duration?, attempt: Int, left: Duration) -> Duration? {
        guard left > .zero, attempt < OTLPBackOff.attempts else { return nil }
        // An answer that asks for no pause at all gets one nevertheless.
        if let wanted, wanted >= OTLPBackOff.first { return min(wanted, left) }
        let pause = OTLPBackOff.pause(attempt: attempt, random: self.random())
        return pause < left ? pause : nil
    }

    /// Sends what an earlier process has left, oldest first. What cannot be sent now stays where it is.
    ///
    /// - Parameter rounds: how often this may be tried. A body at which every collector fails must not hold up all
    ///   others for ever.
    private func sendSpooled(_ rounds: inout Int) async {
        guard let spool, rounds > 0 else { return }
        guard let names = await spool.names(self.signal) else { return }
        for name in names {
            guard !Task.isCancelled, !self.state.withLock({ $0.isDraining }) else { return }
            let body: OTLPBody
            switch await spool.load(name) {
            case .body(let found): body = found
            case .unreadable:
                // Told of and counted once: it is not found again.
                if let count = await spool.setAside(name) { self.count { $0.drop(count, because: .unreadable) } }
                continue
            case .notNow: return
            case .failed: continue
            }
            switch await self.deliver(body) {
            case .taken: await spool.remove(name)
            case .refused:
                await spool.remove(name)
                self.count { $0.drop(body.count, because: $0.lastFailure) }
            case .givenUp:
                rounds -= 1
                return
            case .interrupted: return
            }
        }
        // Nobody else writes there before this process ends.
        rounds = 0
    }
}
