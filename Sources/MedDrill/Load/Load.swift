// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedSystem
import DequeModule
import Foundation
import Synchronization

/// Requests at a fixed rate to ports of this machine, which tells what became of every single one.
///
/// It holds the rate: a request that is due is sent whether the ones before it are answered or not, and its time counts from when it was
/// due. So a server that stands still for a second costs a second's requests their time, and not one of them.
///
/// One plain thread makes all of it, so that the servers keep the rest of a small machine.
package final class Load: Sendable {
    private struct Shared {
        var ports: [Int]
        /// Nothing more is sent from when this is set.
        var isEnding = false
    }

    private let plan: LoadPlan
    private let shared: Mutex<Shared>
    private let ended: AsyncStream<[LoadSample]>
    private let answers = Atomic(0)
    /// What every time of a sample counts from.
    package let start = ContinuousClock.now

    /// Starts it.
    ///
    /// - Parameter ports: where new connections go, in turn.
    package init(_ plan: LoadPlan, ports: [Int]) {
        self.plan = plan
        self.shared = Mutex(Shared(ports: ports))
        let (ended, continuation) = AsyncStream.makeStream(of: [LoadSample].self)
        self.ended = ended
        Thread.detachNewThread {
            Thread.current.name = "MedDrill"
            var run = Run(self)
            run.go()
            continuation.yield(run.samples)
            continuation.finish()
        }
    }

    /// Where new connections go from now on. Those that there are stay.
    package func use(_ ports: [Int]) { self.shared.withLock { $0.ports = ports } }

    /// How many requests are over so far, one way or the other.
    package var answered: Int { self.answers.load(ordering: .relaxed) }

    /// Sends nothing more, waits for the answers that are due, and tells what became of every request, in the order of their ends.
    package func stop() async -> [LoadSample] {
        self.shared.withLock { $0.isEnding = true }
        for await samples in self.ended { return samples }
        return []
    }

    /// What the thread has for itself.
    private struct Run {
        private let load: Load
        private let plan: LoadPlan
        private let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        private let interval: Duration
        private var connections: [LoadConnection] = []
        private var freeKept: [LoadConnection] = []
        private var freeFresh: [LoadConnection] = []
        private var dueKept: Deque<LoadConnection.Request> = []
        private var dueFresh: Deque<LoadConnection.Request> = []
        private var issued = 0
        private var nextPort = 0
        private(set) var samples: [LoadSample] = []

        init(_ load: Load) {
            self.load = load
            self.plan = load.plan
            self.interval = .seconds(1) / load.plan.rate
            for index in 0..<(self.plan.keptConnections + self.plan.freshConnections) {
                let isKept = index < self.plan.keptConnections
                let connection = LoadConnection(index: index, isKept: isKept, epoll: self.epoll)
                self.connections.append(connection)
                if isKept { self.freeKept.append(connection) } else { self.freeFresh.append(connection) }
            }
        }

        mutating func go() {
            var events = [epoll_event](repeating: epoll_event(), count: 256)
            var nextLook = self.load.start
            while true {
                let isEnding = self.load.shared.withLock { $0.isEnding }
                let now = ContinuousClock.now
                if !isEnding { self.issue(until: now) }
                self.sendDue()
                if now >= nextLook {
                    nextLook = now + .milliseconds(100)
                    self.giveUp(now)
                }
                self.load.answers.store(self.samples.count, ordering: .relaxed)
                if isEnding, self.dueKept.isEmpty, self.dueFresh.isEmpty,
                    self.connections.allSatisfy({ $0.current == nil })
                {
                    break
                }
                // A millisecond is the finest that this waits for: what is due within it is sent together.
                let count = epoll_wait(self.epoll, &events, Int32(events.count), 1)
                for event in events.prefix(Int(max(count, 0))) {
                    let connection = self.connections[Int(event.data.u64)]
                    self.note(connection.proceed(), of: connection)
                }
            }
            close(self.epoll)
        }

        private mutating func issue(until now: ContinuousClock.Instant) {
            while true {
                let due = self.load.start + self.interval * self.issued
                guard due <= now else { return }
                let request = LoadConnection.Request(sequence: self.issued, due: due)
                if self.plan.isFresh(self.issued) {
                    self.dueFresh.append(request)
                } else {
                    self.dueKept.append(request)
                }
                self.issued += 1
            }
        }

        private mutating func sendDue() {
            while !self.freeKept.isEmpty, let request = self.dueKept.popFirst() {
                self.send(request, on: self.freeKept.removeLast())
            }
            while !self.freeFresh.isEmpty, let request = self.dueFresh.popFirst() {
                self.send(request, on: self.freeFresh.removeLast())
            }
        }

        private mutating func send(_ request: LoadConnection.Request, on connection: LoadConnection) {
            let ports = self.load.shared.withLock { $0.ports }
            self.nextPort += 1
            let port = ports.isEmpty ? 0 : ports[self.nextPort % ports.count]
            self.note(connection.send(request, self.plan.request(request.sequence), port: port), of: connection)
        }

        private mutating func note(_ progress: LoadConnection.Progress, of connection: LoadConnection) {
            switch progress {
            case .pending: return
            case .unseen(var request) where self.plan.retries:
                request.wasRetried = true
                // It has no socket any more, so this makes one.
                return self.send(request, on: connection)
            case .unseen(let request): self.add(request, .closed)
            case .ended(let request, let fate): self.add(request, fate)
            }
            // The one that was used last comes first: it is the one that is most surely still open.
            if connection.index < self.plan.keptConnections {
                self.freeKept.append(connection)
            } else {
                self.freeFresh.append(connection)
            }
        }

        private mutating func add(_ request: LoadConnection.Request, _ fate: LoadSample.Fate) {
            self.samples.append(
                LoadSample(
                    sequence: UInt32(clamping: request.sequence),
                    due: UInt32(clamping: Int((request.due - self.load.start) / .milliseconds(1))),
                    latency: UInt32(clamping: Int((ContinuousClock.now - request.due) / .microseconds(1))),
                    fate: fate,
                    isWrite: self.plan.isWrite(request.sequence),
                    wasRetried: request.wasRetried))
        }

        private mutating func giveUp(_ now: ContinuousClock.Instant) {
            for connection in self.connections {
                guard let request = connection.current, now - request.due > self.plan.patience else { continue }
                self.note(connection.giveUp(), of: connection)
            }
        }
    }
}
