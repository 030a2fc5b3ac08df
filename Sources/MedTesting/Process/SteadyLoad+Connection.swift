// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill

extension SteadyLoad {
    /// One of the connections of a load, which belongs to the load's thread.
    ///
    ///     none ──begin──▶ connecting ──▶ waiting ──answer──▶ idle ──begin──▶ waiting
    ///     any ──the peer ends it, or an answer says close──▶ none
    final class Connection {
        private enum Phase { case none, connecting, waiting, idle }

        /// When its next request is due.
        private(set) var due: ContinuousClock.Instant
        /// The socket; -1 when there is none.
        private(set) var descriptor: Int32 = -1
        private let port: Int
        private let requestHead: String
        private let interval: Duration
        private var phase = Phase.none
        private var sequence = 0
        private var sent = ContinuousClock.now
        private var isFresh = true
        private var received = AnswerScanner()
        private var backOff = Duration.zero

        init(port: Int, target: String, interval: Duration, firstDue: ContinuousClock.Instant) {
            self.port = port
            self.requestHead = "GET \(target) HTTP/1.1\r\nHost: localhost\r\nX-Sequence: "
            self.interval = interval
            self.due = firstDue
        }

        deinit { if self.descriptor >= 0 { close(self.descriptor) } }

        /// Whether a request is on its way.
        var isBusy: Bool { self.phase == .connecting || self.phase == .waiting }

        /// Whether it is time for the next request, and nothing is in its way.
        func isDue(_ now: ContinuousClock.Instant) -> Bool { !self.isBusy && self.due <= now }

        /// What `poll` is to look for.
        var awaits: Int16 { Int16(self.phase == .connecting ? POLLOUT : POLLIN) }

        /// Begins the next request.
        func begin(_ outcome: inout Outcome) {
            // What the peer closed a moment ago takes no request along.
            if self.phase == .idle { self.lookForClose(&outcome) }
            let now = ContinuousClock.now
            self.due = max(self.due + self.interval, now)
            self.sequence = outcome.nextSequence()
            self.sent = now
            if self.phase == .idle {
                self.isFresh = false
                self.send(&outcome)
            } else {
                self.isFresh = true
                self.connect(&outcome)
            }
        }

        /// Goes on after `poll` has found something.
        func proceed(_ outcome: inout Outcome) {
            switch self.phase {
            case .none: break
            case .connecting: self.finishConnecting(self.socketError(), &outcome)
            case .waiting: self.receive(&outcome)
            case .idle: self.lookForClose(&outcome)
            }
        }

        /// Calls what has not been answered missing.
        func giveUp(_ outcome: inout Outcome) {
            if self.isBusy { self.end(.missing, &outcome) }
        }

        private func connect(_ outcome: inout Outcome) {
            let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
            self.descriptor = socket(AF_INET, Int32(kind), 0)
            var yes: Int32 = 1
            setsockopt(self.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
            let result = Loopback.connect(self.descriptor, port: self.port)
            if result == EINPROGRESS {
                self.phase = .connecting
            } else {
                self.finishConnecting(result, &outcome)
            }
        }

        private func finishConnecting(_ number: Int32, _ outcome: inout Outcome) {
            switch number {
            case 0: self.send(&outcome)
            case ECONNRESET: self.end(.closedWithoutByte(Close(wasFresh: true, wasUnread: true)), &outcome)
            default: self.end(.refused, &outcome)
            }
        }

        private func send(_ outcome: inout Outcome) {
            self.phase = .waiting
            self.received.reset()
            let request = "\(self.requestHead)\(self.sequence)\r\n\r\n"
            let count = request.utf8.count
            // So short a request fits into the socket's buffer, or the connection is at its end.
            guard Foundation.send(self.descriptor, request, count, Int32(MSG_NOSIGNAL)) == count else {
                return self.end(.closedWithoutByte(Close(wasFresh: self.isFresh, wasUnread: true)), &outcome)
            }
        }

        private func receive(_ outcome: inout Outcome) {
            let count = self.received.receive(from: self.descriptor)
            if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
            guard count > 0 else {
                // A peer that had closed before the request came has answered it with a reset, which says EPIPE here.
                let wasUnread = count < 0 || self.socketError() != 0
                return self.end(
                    self.received.isEmpty
                        ? .closedWithoutByte(Close(wasFresh: self.isFresh, wasUnread: wasUnread)) : .cut,
                    &outcome
                )
            }
            switch self.received.scan() {
            case .incomplete: break
            case .malformed: self.end(.malformed, &outcome)
            case .complete(let answer):
                let saysLater = answer.status == 503 && answer.saysClose && answer.hasRetryAfter
                let fate = Fate.answered(status: answer.status, saysLater: saysLater)
                if answer.saysClose {
                    self.end(fate, &outcome)
                } else {
                    self.phase = .idle
                    self.note(fate, &outcome)
                }
            }
        }

        private func lookForClose(_ outcome: inout Outcome) {
            var byte: UInt8 = 0
            let count = recv(self.descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
            guard count >= 0 || (errno != EAGAIN && errno != EINTR) else { return }
            // A byte that nobody asked for is no close, and makes the connection as useless.
            if count > 0 { self.note(.malformed, &outcome) } else { outcome.idleCloses += 1 }
            self.drop()
        }

        private func end(_ fate: Fate, _ outcome: inout Outcome) {
            self.drop()
            self.note(fate, &outcome)
        }

        private func drop() {
            close(self.descriptor)
            self.descriptor = -1
            self.phase = .none
        }

        private func note(_ fate: Fate, _ outcome: inout Outcome) {
            let now = ContinuousClock.now
            outcome.add(Event(sequence: self.sequence, sent: self.sent, ended: now, fate: fate))
            if case .answered = fate {
                self.backOff = .zero
            } else {
                self.backOff = min(max(self.backOff * 2, .milliseconds(10)), .milliseconds(100))
                self.due = max(self.due, now + self.backOff)
            }
        }

        private func socketError() -> Int32 {
            var number: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(self.descriptor, SOL_SOCKET, SO_ERROR, &number, &size)
            return number
        }
    }
}
