// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension CheckView {
    /// How bad it is, in words that a person and a shape can show. Ordered from worst to best.
    enum Outcome: Int, Comparable, CaseIterable {
        case down
        case degraded
        case unknown
        case up

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    var outcome: Outcome {
        switch (self.standing, self.report.status) {
        case (.unknown, _): .unknown
        case (.up, .healthy): .up
        case (_, .degraded): .degraded
        case (.down, _), (_, .unhealthy): .down
        }
    }

    /// Whether ``HealthCheck/Readiness`` lets `/ready` be 200.
    var allowsReady: Bool { self.check.readiness == .ignored || self.outcome == .up }

    /// What it does to the status of the whole: nothing while nobody can say, and degraded at most if `/ready` does not
    /// depend on it.
    var contribution: HealthStatus {
        if self.standing == .unknown { return .healthy }
        return self.check.readiness == .ignored ? min(self.report.status, .degraded) : self.report.status
    }
}
