// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Where a process is between its start and its exit. Every probe, gate and connection reads this one state.
public enum Phase: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// The port is open; the database is being connected and migrated.
    case starting
    /// Start-up is finished.
    case serving
    /// A stop was asked for; requests are still accepted so that load balancers have time to notice.
    case draining
    /// New requests are refused; those in flight finish undisturbed.
    case finishing
    /// The grace is over; what is still running was cancelled.
    case cancelling
    /// Nothing is in flight any more; resources are released.
    case cleaningUp
    /// The exit code is decided.
    case stopped

    /// Whether a stop was asked for.
    public var isShuttingDown: Bool { self.rawValue >= Phase.draining.rawValue }

    /// Whether new requests are refused.
    public var refusesWork: Bool { self.rawValue >= Phase.finishing.rawValue }

    /// The name in logs and metrics.
    public var description: String {
        switch self {
        case .starting: "starting"
        case .serving: "serving"
        case .draining: "draining"
        case .finishing: "finishing"
        case .cancelling: "cancelling"
        case .cleaningUp: "cleaning_up"
        case .stopped: "stopped"
        }
    }
}
