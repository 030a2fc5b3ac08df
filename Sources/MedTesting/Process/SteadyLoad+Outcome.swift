// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension SteadyLoad {
    /// What became of one request.
    package enum Fate: Equatable, Sendable {
        /// A whole answer; `saysLater` when it is the refusal of SPEC §3: 503, `Retry-After`, `Connection: close`.
        case answered(status: Int, saysLater: Bool)
        /// Nobody listened.
        case refused
        /// The connection ended before a single byte of the answer.
        case closedWithoutByte(Close)
        /// The answer began, and the connection ended before the answer did.
        case cut
        /// What came is no answer with a length or in chunks, or more than that.
        case malformed
        /// The answer had not ended when the patience had.
        case missing
    }

    /// How a connection ended on which a request was waiting.
    package struct Close: Equatable, Sendable {
        /// Whether the request was the first on its connection.
        package let wasFresh: Bool
        /// Whether TCP says that the peer closed without having read the request, as a reset does.
        ///
        /// Without it the server had taken the request out of its socket, or had closed its half of the connection only.
        package let wasUnread: Bool

        package init(wasFresh: Bool, wasUnread: Bool) {
            self.wasFresh = wasFresh
            self.wasUnread = wasUnread
        }
    }

    /// One request, from its sending to its fate.
    package struct Event: Equatable, Sendable, CustomStringConvertible {
        /// Its number, from 0, which the request carries as `X-Sequence`.
        package let sequence: Int
        /// When it was sent, or its connection was begun.
        package let sent: ContinuousClock.Instant
        /// When its fate was known.
        package let ended: ContinuousClock.Instant
        /// What became of it.
        package let fate: Fate

        package init(sequence: Int, sent: ContinuousClock.Instant, ended: ContinuousClock.Instant, fate: Fate) {
            self.sequence = sequence
            self.sent = sent
            self.ended = ended
            self.fate = fate
        }

        package var description: String { "#\(self.sequence) \(self.fate) after \(self.ended - self.sent)" }
    }

    /// What became of all requests of a load.
    package struct Outcome: Sendable, CustomStringConvertible {
        /// When the load began.
        package let start: ContinuousClock.Instant
        /// All requests, in the order in which their fates were known.
        package private(set) var events: [Event] = []
        /// How many connections the server closed while they were kept and idle.
        package internal(set) var idleCloses = 0
        /// How many whole answers have come.
        package private(set) var answered = 0
        /// How many have found nobody who listens.
        package private(set) var refused = 0
        private(set) var sent = 0

        package init(start: ContinuousClock.Instant) { self.start = start }

        mutating func nextSequence() -> Int {
            self.sent += 1
            return self.sent - 1
        }

        package mutating func add(_ event: Event) {
            if case .answered = event.fate { self.answered += 1 }
            if event.fate == .refused { self.refused += 1 }
            self.events.append(event)
        }

        /// How many whole answers had each status.
        package var statuses: [Int: Int] {
            self.events.reduce(into: [:]) { counts, event in
                if case .answered(let status, _) = event.fate { counts[status, default: 0] += 1 }
            }
        }

        /// How many requests had this fate.
        package func count(_ fate: Fate) -> Int { self.events.count { $0.fate == fate } }

        /// The requests whose fate no shutdown that began with `trigger` explains; without one, all but those with a 2xx.
        ///
        /// After the trigger a request may be refused by an answer that says when to come again, may cross the close of a
        /// kept connection, and may find nobody, or one who is about to go, if nobody answers from then on.
        ///
        /// - Parameters:
        ///   - unannounced: Whether the server closes kept connections without having announced it in an answer, as one
        ///     without a drain delay does. If it closes one half first, a client cannot see whether it had read the
        ///     request, so this can hide one that was lost.
        ///   - crossing: How long a request may have been on its way when the connection was closed; five times as long if surely nobody
        ///     has read it, since a busy machine does not get to that.
        package func failures(
            trigger: ContinuousClock.Instant? = nil,
            unannounced: Bool = false,
            crossing: Duration = .seconds(1)
        ) -> [Event] {
            var lastAnswered: ContinuousClock.Instant?
            for event in self.events {
                if case .answered = event.fate { lastAnswered = max(lastAnswered ?? event.sent, event.sent) }
            }
            return self.events.filter { event in
                if case .answered(200..<300, _) = event.fate { return false }
                guard let trigger, event.ended > trigger else { return true }
                let isOver = lastAnswered.map { $0 < event.ended } ?? true
                switch event.fate {
                case .answered(_, let saysLater): return !saysLater
                case .refused: return !isOver
                case .closedWithoutByte(let close):
                    if event.ended - event.sent > (close.wasUnread ? crossing * 5 : crossing) { return true }
                    if close.wasFresh { return !isOver || !(close.wasUnread || event.sent > trigger) }
                    return !close.wasUnread && !unannounced
                case .cut, .malformed, .missing: return true
                }
            }
        }

        package var description: String {
            let counts = Dictionary(grouping: self.events) { "\($0.fate)" }.mapValues(\.count)
            let lines = counts.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
            return "\(self.events.count) requests, \(self.idleCloses) idle closes: \(lines.joined(separator: ", "))"
        }
    }
}
