// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How long the long forms of some tests go on: `make soak` sets it, everybody else has the short ones.
enum Soak {
    /// How often each kind of trap is sprung.
    static let rounds = 1...Self.number("MED_SOAK_ROUNDS", short: 1)
    /// For how many seconds a busy server is watched for false alarms.
    static let busySeconds = Self.number("MED_SOAK_SECONDS", short: 10)

    /// How often a database is restarted under load.
    static let restarts = Self.number("MED_SOAK_RESTARTS", short: 6)

    private static func number(_ name: String, short: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? short
    }
}
