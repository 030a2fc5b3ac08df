// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The shutdown as a value: events go in, one action comes out; ``Lifecycle`` performs it.
///
///     starting ──started──▶ serving
///        └───────trigger───────┴──▶ draining
///                                      │ drainDelayOver: closeGate
///                                      ▼
///                                  finishing ──graceOver: cancelWork──▶ cancelling
///                                      │ idle: cleanUp                      │ idle: cleanUp
///                                      ▼                                    │
///                                  cleaningUp ◀─────────────────────────────┘
///                                      │ cleanedUp: exit 0 or 70
///                                      ▼
///     any but stopped ──deadlineOver: exit 1, second signal: exit 2──▶ stopped
enum ShutdownSequence: ~Copyable {
    case starting
    case serving
    case draining(Triggers)
    case finishing(Triggers)
    case cancelling(Triggers)
    case cleaningUp(Triggers)
    case stopped(exitCode: Int32)

    /// What has asked for the stop so far.
    struct Triggers: Equatable {
        let first: ShutdownTrigger
        var signals: Int
        var sawException: Bool

        init(first: ShutdownTrigger) {
            self.first = first
            self.signals = first.isSignal ? 1 : 0
            self.sawException = !first.isSignal
        }

        /// Counts one more. True when a signal asks not to wait any longer: the second one, of either kind.
        ///
        /// In a shutdown that an exception began, the first signal is the orchestrator's ordinary one.
        mutating func add(_ trigger: ShutdownTrigger) -> Bool {
            guard trigger.isSignal else {
                self.sawException = true
                return false
            }
            self.signals += 1
            return self.signals >= 2
        }

        var exitCode: Int32 { self.sawException ? ExitCode.containedFailure : ExitCode.graceful }
    }

    enum Action: Equatable {
        /// Nothing to do.
        case none
        /// Announce the trigger, start the drain delay and the deadline.
        case beginDrain
        /// One more trigger while the shutdown runs: say so.
        case note
        /// Refuse new work from here on and start the grace.
        case closeGate
        /// Cancel what is still in flight.
        case cancelWork
        /// Release resources.
        case cleanUp
        /// End the process.
        case exit(Int32)
    }

    var phase: Phase {
        switch self {
        case .starting: .starting
        case .serving: .serving
        case .draining: .draining
        case .finishing: .finishing
        case .cancelling: .cancelling
        case .cleaningUp: .cleaningUp
        case .stopped: .stopped
        }
    }

    /// Start-up is finished.
    mutating func started() -> Action {
        switch consume self {
        case .starting: self = .serving
        case .serving: self = .serving
        case .draining(let triggers): self = .draining(triggers)
        case .finishing(let triggers): self = .finishing(triggers)
        case .cancelling(let triggers): self = .cancelling(triggers)
        case .cleaningUp(let triggers): self = .cleaningUp(triggers)
        case .stopped(let code): self = .stopped(exitCode: code)
        }
        return .none
    }

    /// A signal arrived, or an error ended something that must not end.
    mutating func triggered(by trigger: ShutdownTrigger) -> Action {
        let impatient: Bool
        switch consume self {
        case .starting:
            self = .draining(Triggers(first: trigger))
            return .beginDrain
        case .serving:
            self = .draining(Triggers(first: trigger))
            return .beginDrain
        case .draining(var triggers):
            impatient = triggers.add(trigger)
            self = .draining(triggers)
        case .finishing(var triggers):
            impatient = triggers.add(trigger)
            self = .finishing(triggers)
        case .cancelling(var triggers):
            impatient = triggers.add(trigger)
            self = .cancelling(triggers)
        case .cleaningUp(var triggers):
            impatient = triggers.add(trigger)
            self = .cleaningUp(triggers)
        case .stopped(let code):
            self = .stopped(exitCode: code)
            return .none
        }
        guard impatient else { return .note }
        self = .stopped(exitCode: ExitCode.secondSignal)
        return .exit(ExitCode.secondSignal)
    }

    /// The drain delay has passed.
    mutating func drainDelayOver() -> Action {
        switch consume self {
        case .draining(let triggers):
            self = .finishing(triggers)
            return .closeGate
        case .starting: self = .starting
        case .serving: self = .serving
        case .finishing(let triggers): self = .finishing(triggers)
        case .cancelling(let triggers): self = .cancelling(triggers)
        case .cleaningUp(let triggers): self = .cleaningUp(triggers)
        case .stopped(let code): self = .stopped(exitCode: code)
        }
        return .none
    }

    /// The gate is closed and nothing is in flight any more.
    mutating func idle() -> Action {
        switch consume self {
        case .finishing(let triggers):
            self = .cleaningUp(triggers)
            return .cleanUp
        case .cancelling(let triggers):
            self = .cleaningUp(triggers)
            return .cleanUp
        case .starting: self = .starting
        case .serving: self = .serving
        case .draining(let triggers): self = .draining(triggers)
        case .cleaningUp(let triggers): self = .cleaningUp(triggers)
        case .stopped(let code): self = .stopped(exitCode: code)
        }
        return .none
    }

    /// The grace has passed.
    mutating func graceOver() -> Action {
        switch consume self {
        case .finishing(let triggers):
            self = .cancelling(triggers)
            return .cancelWork
        case .starting: self = .starting
        case .serving: self = .serving
        case .draining(let triggers): self = .draining(triggers)
        case .cancelling(let triggers): self = .cancelling(triggers)
        case .cleaningUp(let triggers): self = .cleaningUp(triggers)
        case .stopped(let code): self = .stopped(exitCode: code)
        }
        return .none
    }

    /// Every resource is released.
    mutating func cleanedUp() -> Action {
        switch consume self {
        case .cleaningUp(let triggers):
            self = .stopped(exitCode: triggers.exitCode)
            return .exit(triggers.exitCode)
        case .starting: self = .starting
        case .serving: self = .serving
        case .draining(let triggers): self = .draining(triggers)
        case .finishing(let triggers): self = .finishing(triggers)
        case .cancelling(let triggers): self = .cancelling(triggers)
        case .stopped(let code): self = .stopped(exitCode: code)
        }
        return .none
    }

    /// The deadline has passed.
    mutating func deadlineOver() -> Action {
        switch consume self {
        case .stopped(let code):
            self = .stopped(exitCode: code)
            return .none
        case .starting:
            self = .starting
            return .none
        case .serving:
            self = .serving
            return .none
        case .draining: self = .stopped(exitCode: ExitCode.forced)
        case .finishing: self = .stopped(exitCode: ExitCode.forced)
        case .cancelling: self = .stopped(exitCode: ExitCode.forced)
        case .cleaningUp: self = .stopped(exitCode: ExitCode.forced)
        }
        return .exit(ExitCode.forced)
    }
}
