// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Whether one watched thing moves, as a value; ``StallWatch`` brings the events and does what follows.
///
///     idle ──ask──▶ asked ──limit passed──▶ stalled
///      ▲              │                        │
///      └───answered───┴───────answered─────────┘         any ──forget──▶ forgotten
///
/// Time is what the watchdog has seen pass. A turn that took very long (the process was stopped, the machine slept, it
/// had no processor) says nothing about the thing, which could not run either: it counts for two turns at most, and
/// after such a gap the thing gets ``Pace/fairChance`` to answer before anything is said about it.
enum StallDetector: ~Copyable {
    case idle
    case asked(waited: Duration, sinceGap: Duration)
    case stalled(waited: Duration)
    case forgotten

    /// How often the things are asked, and how long they have to answer.
    struct Pace: Sendable, Equatable {
        /// An unanswered heartbeat of this age is a stall.
        let limit: Duration
        /// The time between two turns: the limit and two of these at most go by until a stall is seen.
        let turn: Duration
        /// The most that one turn can add to the age of a heartbeat.
        let longestTurn: Duration
        /// A turn that took longer than this is a gap, and so much must be seen after it. No longer than the limit.
        let fairChance: Duration

        init(limit: Duration) {
            precondition(limit > .zero, "a stall is a matter of some time")
            self.limit = limit
            self.turn = min(.milliseconds(250), limit / 4)
            self.longestTurn = self.turn * 2
            self.fairChance = self.turn * 4
        }
    }

    /// What an event has changed.
    enum Change: Equatable {
        case none
        /// The thing is stalled, and its heartbeat has been out for this long.
        case stalled(for: Duration)
        /// The thing was stalled until now.
        case movesAgain(after: Duration)
    }

    /// Whether the thing is stalled.
    var isStalled: Bool {
        switch self {
        case .idle: false
        case .asked: false
        case .stalled: true
        case .forgotten: false
        }
    }

    /// The watch could send a heartbeat. True if it shall: one is out at a time.
    mutating func ask() -> Bool {
        switch consume self {
        case .idle:
            self = .asked(waited: .zero, sinceGap: .zero)
            return true
        case .asked(let waited, let sinceGap):
            self = .asked(waited: waited, sinceGap: sinceGap)
            return false
        case .stalled(let waited):
            self = .stalled(waited: waited)
            return false
        case .forgotten:
            self = .forgotten
            return false
        }
    }

    /// The heartbeat was answered.
    mutating func answered() -> Change {
        switch consume self {
        case .idle:
            self = .idle
            return .none
        case .asked:
            self = .idle
            return .none
        case .stalled(let waited):
            self = .idle
            return .movesAgain(after: waited)
        case .forgotten:
            self = .forgotten
            return .none
        }
    }

    /// A turn went by without an answer.
    mutating func passed(_ elapsed: Duration, pace: Pace) -> Change {
        let seen = min(elapsed, pace.longestTurn)
        switch consume self {
        case .idle:
            self = .idle
            return .none
        case .asked(let waited, let sinceGap):
            let waited = waited + seen
            let sinceGap = elapsed > pace.fairChance ? .zero : sinceGap + seen
            guard waited >= pace.limit, sinceGap >= pace.fairChance else {
                self = .asked(waited: waited, sinceGap: sinceGap)
                return .none
            }
            self = .stalled(waited: waited)
            return .stalled(for: waited)
        case .stalled(let waited):
            self = .stalled(waited: waited + seen)
            return .none
        case .forgotten:
            self = .forgotten
            return .none
        }
    }

    /// The thing is gone for good, which is no stall.
    mutating func forget() { self = .forgotten }
}
