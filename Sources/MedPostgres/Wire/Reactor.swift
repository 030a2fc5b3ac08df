// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import DequeModule
import Dispatch
import Foundation
import MedStorage
import Synchronization

/// One thread that waits for all connections of a database, and hands what arrives to the task that waits for it.
///
/// Statements are sent by the thread that asks; only the answers come through here. So a statement costs one wake-up of this thread, and
/// under load one wake-up serves many. Two such threads were slower than one, since the server needs the processors as well
/// (docs/decisions/0009-postgres.md). Tasks that ask for it run on this thread too (``PostgresExecutor``): they need not be woken.
final class Reactor: Sendable {
    /// Something that can be waited for.
    protocol Source: AnyObject, Sendable {
        /// The descriptor can be read or written, or is at its end. Runs on the reactor's thread and must not block.
        ///
        /// - Parameter mayWait: whether to wait for somebody who is just sending.
        /// - Returns: false if somebody is, and it did not wait.
        func isReady(toRead: Bool, toWrite: Bool, mayWait: Bool) -> Bool
        /// Time has passed; whatever has a limit looks at it.
        func tick(now: ContinuousClock.Instant)
        /// The reactor was stopped: nothing comes any more.
        func reactorStopped()
    }

    /// A piece of a task, up to where it waits next.
    struct Job: Sendable {
        let job: UnownedJob
        let executor: UnownedTaskExecutor

        func run() { self.job.runSynchronously(on: self.executor) }

        func runElsewhere() { DispatchQueue.global().async { self.run() } }
    }

    private struct Jobs {
        var waiting: Deque<Job> = []
        /// Whether the thread looks here before it waits again.
        var isExpected = false
        var isEnded = false
    }

    private struct State {
        var sources: [UInt64: any Source] = [:]
        /// Who has a descriptor. libpq closes one when it finds the end of it, and the number may be somebody else's at once.
        var owners: [Int32: UInt64] = [:]
        var lastToken: UInt64 = 0
        var isStopped = false
    }

    /// How often time limits are looked at. It is how much later than due a limit can strike.
    static let tick = Duration.milliseconds(100)
    /// How long jobs go on at most before the answers and time limits of others get a turn; one job that takes longer is not interrupted.
    private static let jobTime = Duration.milliseconds(1)
    /// The token of ``wakeUp``.
    private static let wakeUpToken: UInt64 = 0

    private let epoll: Int32
    /// Interrupts the wait.
    private let wakeUp: Int32
    private let state = Mutex(State())
    private let jobs = Mutex(Jobs())
    private let lastTurn = Mutex(ContinuousClock.now)

    init() throws(DatabaseError) {
        self.epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        self.wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard self.epoll >= 0, self.wakeUp >= 0 else {
            if self.epoll >= 0 { Glibc.close(self.epoll) }
            if self.wakeUp >= 0 { Glibc.close(self.wakeUp) }
            throw DatabaseError(
                code: .notReachable, description: "Too many files are open to wait for a Postgres server.")
        }
        self.control(EPOLL_CTL_ADD, self.wakeUp, token: Self.wakeUpToken, toRead: true, toWrite: false)
        Thread {
            med_name_thread("MedPostgres")
            self.run()
        }.start()
    }

    /// Whether the thread has had a turn of late, or nothing to do.
    func isAlive(now: ContinuousClock.Instant) -> Bool {
        self.state.withLock { $0.sources.isEmpty } || now - self.lastTurn.withLock { $0 } < .seconds(5)
    }

    deinit {
        // Not when the thread ends: who comes late would reach whatever has the same numbers by then.
        Glibc.close(self.epoll)
        Glibc.close(self.wakeUp)
    }

    /// Begins to wait until there is something to read, and keeps `source` until ``remove(_:token:)``; nil if the reactor was stopped.
    func add(_ source: any Source, descriptor: Int32) -> UInt64? {
        let added = self.state.withLock { state -> (token: UInt64, isFirst: Bool)? in
            if state.isStopped { return nil }
            let isFirst = state.sources.isEmpty
            if isFirst { self.lastTurn.withLock { $0 = .now } }
            state.lastToken += 1
            state.sources[state.lastToken] = source
            state.owners[descriptor] = state.lastToken
            return (state.lastToken, isFirst)
        }
        guard let (token, isFirst) = added else { return nil }
        self.control(EPOLL_CTL_ADD, descriptor, token: token, toRead: true, toWrite: false)
        // It may be in a wait without a time limit, in which nobody's limits are looked at.
        if isFirst { self.interrupt() }
        return token
    }

    /// Changes whether room to write is waited for as well.
    func watch(_ descriptor: Int32, token: UInt64, toWrite: Bool) {
        self.control(EPOLL_CTL_MOD, descriptor, token: token, toRead: true, toWrite: toWrite)
    }

    /// Forgets a descriptor, unless it is somebody else's by now.
    func remove(_ descriptor: Int32, token: UInt64) {
        self.state.withLock { state in
            state.sources.removeValue(forKey: token)
            guard state.owners[descriptor] == token else { return }
            state.owners.removeValue(forKey: descriptor)
            // Under the lock, so that nobody takes the number in between.
            epoll_ctl(self.epoll, EPOLL_CTL_DEL, descriptor, nil)
        }
    }

    /// Has the thread run a job; false if it was stopped.
    func enqueue(_ job: Job) -> Bool {
        let (isTaken, mustWake) = self.jobs.withLock { jobs in
            if jobs.isEnded { return (false, false) }
            jobs.waiting.append(job)
            defer { jobs.isExpected = true }
            return (true, !jobs.isExpected)
        }
        if mustWake { self.interrupt() }
        return isTaken
    }

    private func runJobs(until end: ContinuousClock.Instant) {
        while let job = self.jobs.withLock({ $0.waiting.popFirst() }) {
            job.run()
            if ContinuousClock.now >= end { return }
        }
    }

    /// Ends the thread. Dispatch's threads go on with its jobs.
    func halt() {
        self.state.withLock { $0.isStopped = true }
        self.interrupt()
        let rest = self.jobs.withLock { jobs in
            jobs.isEnded = true
            return exchange(&jobs.waiting, with: [])
        }
        // Not by the thread: it may be what hangs.
        for job in rest { job.runElsewhere() }
    }

    /// Ends the thread, and tells everybody who waits.
    func stop() {
        self.halt()
        let sources = self.state.withLock { Array($0.sources.values) }
        // Not by the thread: it may be what hangs.
        for source in sources { source.reactorStopped() }
    }

    private func interrupt() {
        eventfd_write(self.wakeUp, 1)
    }

    private func control(_ operation: Int32, _ descriptor: Int32, token: UInt64, toRead: Bool, toWrite: Bool) {
        var event = epoll_event()
        // Level-triggered: libpq need not read all that there is.
        event.events = (toRead ? EPOLLIN.rawValue : 0) | (toWrite ? EPOLLOUT.rawValue : 0)
        event.data.u64 = token
        epoll_ctl(self.epoll, operation, descriptor, &event)
    }

    private func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 128)
        // Those who were busy sending: the answer can be there before the call that sends is over.
        var busy: [(source: any Source, toRead: Bool, toWrite: Bool)] = []
        var nextTick = ContinuousClock.now + Self.tick
        while true {
            self.runJobs(until: .now + Self.jobTime)
            let isIdle = self.state.withLock { $0.sources.isEmpty }
            let hasJobs = self.jobs.withLock { jobs in
                jobs.isExpected = !jobs.waiting.isEmpty
                return jobs.isExpected
            }
            let count = epoll_wait(self.epoll, &events, Int32(events.count), hasJobs ? 0 : isIdle ? -1 : 100)
            self.jobs.withLock { $0.isExpected = true }
            let end = ContinuousClock.now + Self.jobTime
            for event in events.prefix(Int(max(count, 0))) {
                let token = event.data.u64
                guard token != Self.wakeUpToken else {
                    var value: eventfd_t = 0
                    eventfd_read(self.wakeUp, &value)
                    continue
                }
                // One that was removed in this very turn is no longer there.
                guard let source = self.state.withLock({ $0.sources[token] }) else { continue }
                // An error or a hang-up shows when it is read.
                let toRead = event.events & ~EPOLLOUT.rawValue != 0
                let toWrite = event.events & EPOLLOUT.rawValue != 0
                if !source.isReady(toRead: toRead, toWrite: toWrite, mayWait: false) {
                    busy.append((source, toRead, toWrite))
                }
                // At once, so that the server has the next statement while the other answers are read.
                if ContinuousClock.now < end { self.runJobs(until: end) }
            }
            for (source, toRead, toWrite) in busy {
                _ = source.isReady(toRead: toRead, toWrite: toWrite, mayWait: true)
            }
            busy.removeAll(keepingCapacity: true)
            let now = ContinuousClock.now
            if now >= nextTick {
                nextTick = now + Self.tick
                self.lastTurn.withLock { $0 = now }
                for source in self.state.withLock({ Array($0.sources.values) }) { source.tick(now: now) }
            }
            if self.state.withLock({ $0.isStopped }) { break }
        }
    }
}
