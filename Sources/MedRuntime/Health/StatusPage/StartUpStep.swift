// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A step of the start-up as the status page shows it.
public struct StartUpStep: Sendable, Equatable {
    /// How far it is.
    public enum State: Sendable {
        case running
        case done
        case failed
    }

    /// What is done in it.
    public var name: String
    /// How far it is.
    public var state: State
    /// How often it was tried in vain.
    public var failedAttempts: Int
    /// How long it has taken, or takes so far.
    public var duration: Duration

    /// Describes a step.
    public init(name: String, state: State, failedAttempts: Int = 0, duration: Duration) {
        self.name = name
        self.state = state
        self.failedAttempts = failedAttempts
        self.duration = duration
    }
}
