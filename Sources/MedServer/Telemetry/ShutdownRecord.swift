// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import MedRuntime

/// A shutdown as it is remembered: a row of the table `shutdown_receipts`, or, as long as there is none, a line of the file that the next
/// start reads.
public struct ShutdownRecord: Sendable, Equatable, CustomStringConvertible {
    /// What a process that was killed in the middle of its shutdown has as its outcome.
    static let killed = "killed"

    /// Which process it was: every start has another.
    public var instance: String
    /// What began it: a `ShutdownTrigger`.
    public var trigger: String
    /// How it ended: a `ShutdownReceipt.Outcome`, or `killed`.
    public var outcome: String
    /// The code that the process exited with; 137 for one that was killed.
    public var exitCode: Int
    /// How much was in flight when it began.
    public var inFlight: Int
    /// How much had to be cancelled.
    public var cancelled: Int
    /// How much was in flight at the exit.
    public var abandoned: Int
    /// From the trigger to the exit.
    public var seconds: Double

    /// The record of a shutdown that has ended, or will have.
    public init(_ receipt: ShutdownReceipt, of instance: String) {
        self.instance = instance
        self.trigger = receipt.trigger.rawValue
        self.outcome = receipt.outcome.rawValue
        self.exitCode = Int(receipt.exitCode)
        self.inFlight = receipt.inFlightAtStart
        self.cancelled = receipt.cancelled
        self.abandoned = receipt.abandoned
        self.seconds = receipt.duration / .seconds(1)
    }

    /// The record of a shutdown that has begun, as it stands if the process is killed in the middle of it.
    public init(beginning receipt: ShutdownReceipt, of instance: String) {
        self.init(receipt, of: instance)
        self.outcome = Self.killed
        self.exitCode = 137
        self.abandoned = receipt.inFlightAtStart
    }

    /// Reads what ``description`` writes; nil for anything else.
    public init?(_ text: String) {
        var fields: [Substring: Substring] = [:]
        for part in text.split(separator: " ") {
            let sides = part.split(separator: "=", maxSplits: 1)
            guard sides.count == 2 else { return nil }
            fields[sides[0]] = sides[1]
        }
        func number(_ name: Substring) -> Int? { fields[name].flatMap { Int($0) } }
        guard let instance = fields["instance"], (1...64).contains(instance.utf8.count),
            let trigger = fields["trigger"], ShutdownTrigger(rawValue: String(trigger)) != nil,
            let outcome = fields["outcome"],
            outcome == Self.killed || ShutdownReceipt.Outcome(rawValue: String(outcome)) != nil,
            let exitCode = number("exit"), let inFlight = number("in_flight"), let cancelled = number("cancelled"),
            let abandoned = number("abandoned"), let seconds = fields["seconds"].flatMap({ Double($0) })
        else { return nil }
        self.instance = String(instance)
        self.trigger = String(trigger)
        self.outcome = String(outcome)
        self.exitCode = exitCode
        self.inFlight = inFlight
        self.cancelled = cancelled
        self.abandoned = abandoned
        self.seconds = seconds
    }

    /// `trigger=SIGTERM outcome=graceful exit=0 …`
    public var description: String {
        "trigger=\(self.trigger) outcome=\(self.outcome) exit=\(self.exitCode) in_flight=\(self.inFlight) "
            + "cancelled=\(self.cancelled) abandoned=\(self.abandoned) seconds=\(self.seconds) instance=\(self.instance)"
    }
}
