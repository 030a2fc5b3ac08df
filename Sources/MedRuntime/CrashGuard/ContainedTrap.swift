// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A Swift runtime trap that ended a thread and not the process: a nil unwrapped, an index out of range, an overflow, a
/// failed precondition, `fatalError`.
public struct ContainedTrap: Sendable {
    /// The signal that the trap raised, `SIGILL` or `SIGTRAP`.
    public let signal: String
    /// The kernel's number of the thread, which is parked for good.
    public let threadID: Int32
    /// The thread's name.
    public let threadName: String
    /// What the thread worked for: the value of a ``WorkID``, or 0.
    let work: UInt
    /// Where it happened, innermost first.
    let addresses: [UInt]
}
