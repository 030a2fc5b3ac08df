// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct StallDetectorTests {
    private typealias Pace = StallDetector.Pace

    /// Ten seconds, asked four times a second.
    private static let pace = Pace(limit: .seconds(10))

    /// `#expect` cannot look into what cannot be copied.
    private final class Subject {
        private var detector = StallDetector.idle

        var isStalled: Bool { self.detector.isStalled }
        func ask() -> Bool { self.detector.ask() }
        func answered() -> StallDetector.Change { self.detector.answered() }
        func passed(_ elapsed: Duration = pace.turn) -> StallDetector.Change {
            self.detector.passed(elapsed, pace: pace)
        }
        func forget() { self.detector.forget() }
    }

    @Test func `things are asked four times a second, more often only if the limit is short`() {
        #expect(Pace(limit: .seconds(10)).turn == .milliseconds(250))
        #expect(Pace(limit: .seconds(3600)).turn == .milliseconds(250))
        #expect(Pace(limit: .milliseconds(500)).turn == .milliseconds(125))
    }

    @Test func `a stall is seen when the limit has passed, and not a turn earlier`() {
        let detector = Subject()
        #expect(detector.ask())
        for _ in 1..<40 { #expect(detector.passed() == .none) }
        #expect(detector.passed() == .stalled(for: .seconds(10)))
        #expect(detector.isStalled)
        #expect(detector.passed() == .none)
        #expect(detector.answered() == .movesAgain(after: .milliseconds(10_250)))
        #expect(!detector.isStalled)
    }

    @Test func `one heartbeat is out at a time`() {
        let detector = Subject()
        #expect(detector.ask())
        #expect(!detector.ask())
        #expect(detector.answered() == .none)
        #expect(detector.ask())
    }

    @Test func `a process that was stopped is given time to answer`() {
        let detector = Subject()
        _ = detector.ask()
        for _ in 0..<39 { _ = detector.passed() }
        // The heartbeat was almost old enough when the process was stopped for a day.
        #expect(detector.passed(.seconds(86_400)) == .none)
        for _ in 0..<3 { #expect(detector.passed() == .none) }
        #expect(detector.passed() != .none)
    }

    @Test func `however often the process is stopped, its stops alone are no stall`() {
        let detector = Subject()
        _ = detector.ask()
        for _ in 0..<1000 {
            #expect(detector.passed(.seconds(5)) == .none)
            #expect(detector.passed() == .none)
        }
    }

    @Test func `what was forgotten neither stalls nor moves`() {
        let detector = Subject()
        _ = detector.ask()
        detector.forget()
        for _ in 0..<100 { #expect(detector.passed() == .none) }
        #expect(detector.answered() == .none)
        #expect(!detector.ask())
        #expect(!detector.isStalled)
    }

    /// What a detector must say, from a count of what happened since the heartbeat went out.
    private struct Oracle {
        var isOut = false
        var isStalled = false
        var isForgotten = false
        /// Milliseconds.
        var seen = 0
        var seenSinceGap = 0
        var real = 0
    }

    /// A turn is 100 ms and the limit 400 ms, so that a dozen events can bring all there is.
    private static let shortPace = Pace(limit: .milliseconds(400))
    private static let turns = [100, 100, 100, 100, 50, 1, 130, 199, 200, 201, 399, 400, 401, 86_400_000]
    private static let durations = Self.turns.map { Duration.milliseconds($0) }

    /// Sixteen events, four bits each: turns of the lengths above, an answer, and an answer or (rarely) a loss.
    private static func mistake(in order: UInt64, stalls: inout Int, gaps: inout Int) -> String? {
        var detector = StallDetector.idle
        var oracle = Oracle()
        var events = order
        for step in 0..<12 {
            if detector.ask() != (!oracle.isOut && !oracle.isForgotten) { return "asks wrongly at \(step)" }
            if !oracle.isOut {
                oracle = Oracle(isOut: !oracle.isForgotten, isForgotten: oracle.isForgotten)
            }
            let event = Int(truncatingIfNeeded: events & 15)
            events >>= 4
            let change: StallDetector.Change
            if event < Self.turns.count {
                change = detector.passed(Self.durations[event], pace: Self.shortPace)
                if oracle.isOut {
                    let turn = Self.turns[event]
                    oracle.real += turn
                    oracle.seen += turn < 200 ? turn : 200
                    if turn > 400 {
                        oracle.seenSinceGap = 0
                        gaps += 1
                    } else {
                        oracle.seenSinceGap += turn < 200 ? turn : 200
                    }
                    let mustStall = oracle.isStalled || (oracle.seen >= 400 && oracle.seenSinceGap >= 400)
                    if mustStall, oracle.real < 400 { return "the oracle itself stalls too early at \(step)" }
                    if mustStall != oracle.isStalled {
                        oracle.isStalled = true
                        stalls += 1
                        if change != .stalled(for: .milliseconds(oracle.seen)) { return "no stall at \(step)" }
                    } else if change != .none {
                        return "\(change) at \(step)"
                    }
                } else if change != .none {
                    return "\(change) at \(step), although nothing is out"
                }
            } else if event == 14 || events & 3 != 0 {
                change = detector.answered()
                let expected: StallDetector.Change =
                    oracle.isStalled ? .movesAgain(after: .milliseconds(oracle.seen)) : .none
                if change != expected { return "\(change) at \(step), an answer" }
                oracle.isOut = false
                oracle.isStalled = false
            } else {
                detector.forget()
                oracle = Oracle(isForgotten: true)
            }
            if detector.isStalled != oracle.isStalled { return "stalled: \(detector.isStalled) at \(step)" }
        }
        return nil
    }

    @Test func `a million orders of events bring no stall that is none, and miss none`() {
        let seed = UInt64.random(in: 0 ... .max)
        var state = seed
        var (stalls, gaps) = (0, 0)
        for _ in 0..<1_000_000 {
            // SplitMix64.
            state &+= 0x9E37_79B9_7F4A_7C15
            var order = state
            order = (order ^ (order >> 30)) &* 0xBF58_476D_1CE4_E5B9
            order = (order ^ (order >> 27)) &* 0x94D0_49BB_1331_11EB
            order ^= order >> 31
            if let mistake = Self.mistake(in: order, stalls: &stalls, gaps: &gaps) {
                Issue.record("\(mistake) of order \(String(order, radix: 16)), seed \(seed)")
                return
            }
        }
        // The orders are worth something only if they bring both.
        #expect(stalls > 100_000)
        #expect(gaps > 100_000)
    }
}
