// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedRuntime
import NIOCore
import Synchronization

/// All connections of a server, and how many there may be.
///
/// At the limit, the connection that has been idle longest makes room for a new one. When none is idle, the new one
/// comes out of a reserve: it is accepted, so that probes are answered however busy the server is, and anything else
/// on it is refused. When the reserve is full of busy connections too, a new one is closed without an answer.
final class ConnectionTable: Sendable {
    /// What a connection may do.
    enum Admission: Sendable {
        case normal
        /// Probes only, one each.
        case reserve
    }

    /// How many connections are accepted beyond the limit.
    static let reserveSize = 128

    private struct State {
        var connections: [ObjectIdentifier: ServerConnection] = [:]
        /// Nothing is read any more.
        var isClosed = false
    }

    private let limit: Int
    private let state = Mutex(State())
    /// When a request was last refused because of the shutdown, by the uptime; 0 if none was.
    private let lastRefusal = Atomic<UInt64>(0)
    private let earlyAnswers = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// A request is refused because of the shutdown.
    func refuses() { self.lastRefusal.store(NIODeadline.now().uptimeNanoseconds, ordering: .relaxed) }

    /// Whether a request was refused because of the shutdown so short a time ago.
    func hasRefused(within time: TimeAmount) -> Bool {
        let moment = self.lastRefusal.load(ordering: .relaxed)
        return moment > 0 && NIODeadline.now() < .uptimeNanoseconds(moment) + time
    }

    /// A request is answered that has not come as a whole. Until its client has stopped sending, or has had its moment, a reset could destroy
    /// the answer: the exit waits for that, and nothing before it does, since there may always be another.
    func answersEarly() { self.earlyAnswers.add(1, ordering: .relaxed) }

    /// Its connection or stream has ended.
    func earlyAnswerIsOver() { self.earlyAnswers.subtract(1, ordering: .relaxed) }

    /// Whether there is such a request.
    var hasEarlyAnswers: Bool { self.earlyAnswers.load(ordering: .relaxed) > 0 }

    /// Enters a connection, and says what it may do. Makes room for it if it can; nil if there is none at all.
    func add(_ new: ServerConnection) -> Admission? {
        let (admission, victim) = self.state.withLock { state -> (Admission?, ServerConnection?) in
            guard !state.isClosed else { return (nil, nil) }
            var admission: Admission? = .normal
            var victim: ServerConnection?
            if state.connections.count >= self.limit {
                let isReserveFull = state.connections.count >= self.limit + Self.reserveSize
                victim = Self.longestIdle(of: state.connections.values, sparesNewcomers: !isReserveFull)
                // Nobody else shall choose the same one while it closes.
                victim?.idleSince.store(0, ordering: .relaxed)
                if victim == nil { admission = isReserveFull ? nil : .reserve }
            }
            if admission != nil { state.connections[ObjectIdentifier(new)] = new }
            return (admission, victim)
        }
        victim?.evict()
        return admission
    }

    /// The connection that has asked nothing for longest, if any asks nothing.
    ///
    /// - Parameter sparesNewcomers: whether one whose first request may still be on its way is left alone.
    private static func longestIdle(
        of connections: some Sequence<ServerConnection>,
        sparesNewcomers: Bool
    ) -> ServerConnection? {
        let latest = sparesNewcomers ? NIODeadline.now().uptimeNanoseconds : .max
        var oldest: (since: UInt64, connection: ServerConnection)?
        for connection in connections {
            let since = connection.idleSince.load(ordering: .relaxed)
            if since > 0, since <= latest, since < oldest?.since ?? .max { oldest = (since, connection) }
        }
        return oldest?.connection
    }

    func remove(_ connection: ServerConnection) {
        _ = self.state.withLock { $0.connections.removeValue(forKey: ObjectIdentifier(connection)) }
    }

    /// Ends all connections of an event loop whose thread is lost, past the loop: each client sees the end at once.
    ///
    /// - Returns: how many there were.
    func cutOff(_ loop: any EventLoop) -> Int {
        let lost = self.state.withLock { $0.connections.values.filter { $0.channel.eventLoop === loop } }
        for connection in lost where connection.descriptor >= 0 { shutdown(connection.descriptor, Int32(SHUT_RDWR)) }
        return lost.count
    }

    /// Tells every connection that there is a new phase.
    func entered(_ phase: Phase) {
        for connection in self.state.withLock({ Array($0.connections.values) }) { connection.entered(phase) }
    }

    /// Has no connection read any more, and takes no more of them.
    func stopReading() {
        let all = self.state.withLock { state in
            state.isClosed = true
            return Array(state.connections.values)
        }
        for connection in all { connection.stopReading() }
    }
}
