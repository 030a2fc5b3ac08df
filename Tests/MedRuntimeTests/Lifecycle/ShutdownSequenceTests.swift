// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct ShutdownSequenceTests {
    @Test func `a signal drains, closes the gate, cleans up and exits with 0`() {
        var sequence = ShutdownSequence.starting
        #expect(sequence.started() == .none)
        #expect(sequence.phase == .serving)
        #expect(sequence.triggered(by: .sigterm) == .beginDrain)
        #expect(sequence.drainDelayOver() == .closeGate)
        #expect(sequence.idle() == .cleanUp)
        #expect(sequence.cleanedUp() == .exit(0))
        #expect(sequence.phase == .stopped)
    }

    @Test func `a signal during start-up runs the same sequence`() {
        var sequence = ShutdownSequence.starting
        #expect(sequence.triggered(by: .sigint) == .beginDrain)
        #expect(sequence.started() == .none)
        #expect(sequence.phase == .draining)
    }

    @Test func `what outlives the grace is cancelled, once`() {
        var sequence = ShutdownSequence.serving
        _ = sequence.triggered(by: .sigterm)
        _ = sequence.drainDelayOver()
        #expect(sequence.graceOver() == .cancelWork)
        #expect(sequence.graceOver() == .none)
        #expect(sequence.idle() == .cleanUp)
    }

    @Test(arguments: [ShutdownTrigger.sigterm, .sigint], [ShutdownTrigger.sigterm, .sigint])
    func `a second signal of either kind exits with 2 in whatever phase`(
        first: ShutdownTrigger,
        second: ShutdownTrigger
    ) {
        for steps in 0...3 {
            var sequence = ShutdownSequence.serving
            _ = sequence.triggered(by: first)
            if steps > 0 { _ = sequence.drainDelayOver() }
            if steps > 1 { _ = sequence.graceOver() }
            if steps > 2 { _ = sequence.idle() }
            #expect(sequence.triggered(by: second) == .exit(2))
        }
    }

    @Test func `in a shutdown that an exception began, the first signal is only noted`() {
        var sequence = ShutdownSequence.serving
        #expect(sequence.triggered(by: .uncaughtException) == .beginDrain)
        #expect(sequence.triggered(by: .sigterm) == .note)
        #expect(sequence.triggered(by: .sigterm) == .exit(2))
    }

    @Test func `an exception is never a second signal`() {
        var sequence = ShutdownSequence.serving
        _ = sequence.triggered(by: .sigterm)
        #expect(sequence.triggered(by: .unhandledRejection) == .note)
        #expect(sequence.triggered(by: .uncaughtException) == .note)
    }

    @Test func `an exception among the triggers makes the exit 70`() {
        var sequence = ShutdownSequence.serving
        _ = sequence.triggered(by: .sigterm)
        _ = sequence.drainDelayOver()
        _ = sequence.triggered(by: .unhandledRejection)
        _ = sequence.idle()
        #expect(sequence.cleanedUp() == .exit(70))
    }

    @Test func `the deadline exits with 1 in every phase of a shutdown, whatever began it`() {
        for steps in 0...3 {
            var sequence = ShutdownSequence.serving
            _ = sequence.triggered(by: .uncaughtException)
            if steps > 0 { _ = sequence.drainDelayOver() }
            if steps > 1 { _ = sequence.graceOver() }
            if steps > 2 { _ = sequence.idle() }
            #expect(sequence.deadlineOver() == .exit(1))
        }
    }

    @Test func `a deadline without a shutdown does nothing`() {
        var sequence = ShutdownSequence.serving
        #expect(sequence.deadlineOver() == .none)
        #expect(sequence.phase == .serving)
    }

    @Test func `idle does nothing while requests are still accepted`() {
        var sequence = ShutdownSequence.serving
        #expect(sequence.idle() == .none)
        _ = sequence.triggered(by: .sigterm)
        #expect(sequence.idle() == .none)
        #expect(sequence.phase == .draining)
    }

    @Test(arguments: 0..<8)
    func `in a million random orders of events, an exit is decided once and phases never go back`(_: Int) {
        for _ in 0..<125_000 {
            // Three bits for each event.
            var bits = UInt64.random(in: 0...UInt64.max)
            var sequence = ShutdownSequence.starting
            var exits = 0
            var last = sequence.phase
            for _ in 0..<21 {
                let action =
                    switch bits & 7 {
                    case 0: sequence.started()
                    case 1: sequence.triggered(by: .sigterm)
                    case 2: sequence.triggered(by: .unhandledRejection)
                    case 3: sequence.drainDelayOver()
                    case 4: sequence.idle()
                    case 5: sequence.graceOver()
                    case 6: sequence.cleanedUp()
                    default: sequence.deadlineOver()
                    }
                bits >>= 3
                if case .exit = action { exits += 1 }
                if sequence.phase.rawValue < last.rawValue { Issue.record("\(last) went back to \(sequence.phase)") }
                last = sequence.phase
            }
            if exits > 1 || (exits == 1) != (last == .stopped) { Issue.record("\(exits) exits, phase \(last)") }
        }
    }
}
