// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What began a shutdown. The raw value is the name that is logged, counted and audited.
public enum ShutdownTrigger: String, Sendable, Hashable {
    case sigterm = "SIGTERM"
    case sigint = "SIGINT"
    /// An error out of a service or of the start-up.
    case uncaughtException = "UNCAUGHT_EXCEPTION"
    /// An error that ended a supervised background task.
    case unhandledRejection = "UNHANDLED_REJECTION"

    /// Whether someone outside the process asked for it.
    public var isSignal: Bool {
        switch self {
        case .sigterm, .sigint: true
        case .uncaughtException, .unhandledRejection: false
        }
    }
}
