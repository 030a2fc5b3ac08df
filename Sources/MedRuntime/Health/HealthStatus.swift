// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How well the server, or one part of it, is. Ordered from best to worst.
public enum HealthStatus: String, Sendable, Comparable, CaseIterable {
    /// All is well.
    case healthy
    /// It works, with something missing; `/health` is still 200.
    case degraded
    /// It does not work; `/health` is 503.
    case unhealthy

    private var severity: Int {
        switch self {
        case .healthy: 0
        case .degraded: 1
        case .unhealthy: 2
        }
    }

    public static func < (left: Self, right: Self) -> Bool { left.severity < right.severity }
}
