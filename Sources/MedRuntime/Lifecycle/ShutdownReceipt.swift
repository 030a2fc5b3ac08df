// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How a shutdown went: what the log, the metrics and the audit trail say about it.
public struct ShutdownReceipt: Sendable, Equatable {
    /// How it ended.
    public enum Outcome: String, Sendable {
        case graceful
        case forced
        case secondSignal = "second_signal"
        case containedFailure = "contained_failure"
    }

    /// What began it.
    public var trigger: ShutdownTrigger
    /// How many requests, transactions and background tasks were in flight when it began.
    public var inFlightAtStart: Int
    /// How many had to be cancelled when the grace was over.
    public var cancelled: Int
    /// How many were still in flight at the exit.
    public var abandoned: Int
    /// From the trigger to the exit.
    public var duration: Duration
    /// The code that the process exits with.
    public var exitCode: Int32

    /// How it ended.
    public var outcome: Outcome {
        switch self.exitCode {
        case ExitCode.graceful: .graceful
        case ExitCode.secondSignal: .secondSignal
        case ExitCode.containedFailure: .containedFailure
        default: .forced
        }
    }
}
