// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What is shown of one check: part of a snapshot, never changed.
struct CheckView: Sendable {
    /// How a check stands.
    enum Standing: String, Sendable {
        case up
        /// It failed often enough, or its answer is too old.
        case down
        /// A check that it stands on is down, so nobody can say.
        case unknown
    }

    /// One run, as the history shows it.
    struct Point: Sendable, Equatable {
        var status: HealthStatus
        var responseTime: Duration
    }

    /// How many runs the history has.
    static let historyLength = 60

    let check: HealthCheck
    let standing: Standing
    /// What counts: the report that was decided on, or what stands for it where there is none.
    let report: HealthReport
    /// What links a failure that is shown without its reason to the log record that has it.
    let failureID: String?
    /// When the check last ran to its end, or was given up.
    let lastRun: Timestamp?
    /// When the standing or the status last changed; the registration at first.
    let lastChange: Timestamp
    /// How long the last run took.
    let responseTime: Duration?
    /// The last runs, oldest first.
    let history: [Point]
}
