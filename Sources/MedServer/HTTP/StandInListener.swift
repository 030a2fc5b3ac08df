// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedRuntime
import Synchronization

/// Answers for a server whose event loops are stuck or lost.
///
/// A plain thread of its own, made at the start so that none has to be made in an emergency, sleeps until
/// ``activate()``. Then it accepts on a duplicate of the server's listening descriptor, one request a connection, and
/// many connections at once. It competes with the server for new connections and never touches those that the server
/// has accepted.
final class StandInListener: Sendable {
    /// Gives the answer to a request, on the stand-in's thread: it must not wait for anything.
    ///
    /// `Content-Length` and `Connection: close` are added; `Date` is not.
    typealias Answerer =
        @Sendable (_ method: String, _ target: String) -> (status: Int, headers: [(String, String)], body: [UInt8])

    /// Why there is no stand-in.
    struct Failure: Error, Equatable, CustomStringConvertible {
        /// The kind of failure.
        enum Code: Equatable {
            /// The listening descriptor cannot be duplicated, or there is no room for more descriptors.
            case noDescriptor
        }

        /// Branch on this.
        let code: Code
        /// Log this.
        let description: String
    }

    private enum Mode {
        case resting
        case accepting
        case closed
    }

    /// The most connections at a time; more wait in the backlog.
    static let maxConnections = 64

    private static let socketKind = Int32(
        SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    )

    private let mode = Mutex(Mode.resting)
    private let listening: Int32
    /// What is written here wakes the thread.
    private let wake: (read: Int32, write: Int32)
    private let patience: Duration
    private let answer: Answerer

    /// Makes the thread, which sleeps.
    ///
    /// - Parameters:
    ///   - descriptor: A listening socket. It is made non-blocking if it is not yet.
    ///   - patience: The time a client has to send its request, as much to take the answer, and as much to close.
    ///   - answer: Gives the answers.
    init(
        listening descriptor: Int32,
        patience: Duration = .seconds(1),
        answer: @escaping Answerer
    ) throws(Failure) {
        let listening = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard listening >= 0 else { throw Self.failure("The listening socket cannot be duplicated") }
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Self.socketKind, 0, &ends) == 0 else {
            // Made before `close` can touch `errno`.
            let failure = Self.failure("There is no pair of sockets to wake the stand-in")
            Foundation.close(listening)
            throw failure
        }
        // Somebody else may take a connection that was announced to us.
        _ = fcntl(listening, F_SETFL, fcntl(listening, F_GETFL) | O_NONBLOCK)
        self.listening = listening
        self.wake = (ends[0], ends[1])
        self.patience = patience
        self.answer = answer
        OwnThread.start("med-stand-in") { self.run() }
    }

    deinit {
        Foundation.close(self.wake.read)
        Foundation.close(self.wake.write)
    }

    /// Begins to accept.
    func activate() { self.change(from: .resting, to: .accepting) }

    /// Accepts no more from now on; what was accepted is still answered.
    func deactivate() { self.change(from: .accepting, to: .resting) }

    /// Gives the duplicate of the listening descriptor back and ends the thread, when what was accepted is answered.
    func close() {
        self.mode.withLock { $0 = .closed }
        self.wakeUp()
    }

    private func change(from old: Mode, to new: Mode) {
        let isNew = self.mode.withLock { mode in
            guard mode == old else { return false }
            mode = new
            return true
        }
        if isNew { self.wakeUp() }
    }

    private func wakeUp() {
        var byte: UInt8 = 0
        // If it takes no more, there is enough in it to wake the thread.
        _ = send(self.wake.write, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    private static func failure(_ what: String) -> Failure {
        Failure(
            code: .noDescriptor,
            description: "\(what) (\(String(cString: strerror(errno)))); raise the limit of open files."
        )
    }
}

// The thread.
extension StandInListener {
    private func run() {
        let clock = SuspendingClock()
        var connections: [StandInConnection] = []
        var polled: [pollfd] = []
        var buffer = [UInt8](repeating: 0, count: StandInConnection.maxHeadSize)
        /// Until when no connection is accepted, because there were no descriptors left.
        var acceptsAgain = clock.now
        var isListening = true
        while true {
            let mode = self.mode.withLock { $0 }
            if mode == .closed {
                if isListening { Foundation.close(self.listening) }
                isListening = false
                if connections.isEmpty { return }
            }
            var now = clock.now
            let hasRoom = mode == .accepting && connections.count < Self.maxConnections
            polled.removeAll(keepingCapacity: true)
            polled.append(pollfd(fd: self.wake.read, events: Int16(POLLIN), revents: 0))
            // A negative descriptor is not polled.
            let accepts = hasRoom && now >= acceptsAgain
            polled.append(pollfd(fd: accepts ? self.listening : -1, events: Int16(POLLIN), revents: 0))
            var wakeAt = hasRoom && !accepts ? acceptsAgain : nil
            for connection in connections {
                polled.append(connection.polled)
                wakeAt = min(wakeAt ?? connection.deadline, connection.deadline)
            }
            guard poll(&polled, nfds_t(polled.count), wakeAt.map { Self.milliseconds($0 - now) } ?? -1) >= 0 else {
                // A signal; or no memory, which a moment may bring.
                if errno != EINTR { usleep(10_000) }
                continue
            }
            now = clock.now
            if polled[0].revents != 0 { while Foundation.read(self.wake.read, &buffer, buffer.count) > 0 {} }
            // Backwards: one that is over gives its place to the last one, which has had its turn.
            for index in connections.indices.reversed() {
                // What has come is looked at even if it is late: it may be the process that was stopped.
                var outcome = StandInConnection.Outcome.goesOn
                if polled[index + 2].revents != 0 {
                    outcome = connections[index].proceed(buffer: &buffer, now: now, answer: self.answer)
                }
                if outcome == .goesOn, now >= connections[index].deadline {
                    outcome = connections[index].expire(now: now)
                }
                guard outcome == .isOver else { continue }
                Foundation.close(connections[index].descriptor)
                connections.swapAt(index, connections.count - 1)
                connections.removeLast()
            }
            if polled[1].revents != 0, !self.accept(into: &connections, now: now) {
                acceptsAgain = now + .milliseconds(100)
            }
        }
    }

    /// Takes the connections that are there, as many as there is room for. False if it cannot and should not try soon.
    private func accept(into connections: inout [StandInConnection], now: SuspendingClock.Instant) -> Bool {
        while connections.count < Self.maxConnections {
            // With the lock held, so that none is accepted once `deactivate` has returned.
            let (descriptor, error) = self.mode.withLock { mode -> (Int32, Int32) in
                guard mode == .accepting else { return (-1, EAGAIN) }
                let descriptor = Foundation.accept(self.listening, nil, nil)
                return (descriptor, descriptor < 0 ? errno : 0)
            }
            switch error {
            case 0:
                // Swift does not see `accept4`.
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
                connections.append(StandInConnection(descriptor: descriptor, patience: self.patience, now: now))
            case EAGAIN, EWOULDBLOCK: return true
            // The client gave up while it waited, or its network failed (accept(2)): the next one may be well.
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT:
                continue
            default: return false
            }
        }
        return true
    }

    /// For `poll`, rounded up so that it does not wake before the time.
    private static func milliseconds(_ duration: Duration) -> Int32 {
        Int32(max(.zero, min(duration, .seconds(60))) / .milliseconds(1) + 1)
    }
}
