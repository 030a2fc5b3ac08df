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

    /// Whether its details may be shown: those of a failure can be as telling as its reason.
    func showsDetails(hidesReasons: Bool) -> Bool {
        self.outcome == .up || !hidesReasons || self.check.detailsArePublic
    }
}
