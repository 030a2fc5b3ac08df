// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What the probes show: an immutable picture of all checks, rendered once when it changes and read by every probe.
final class HealthSnapshot: Sendable {
    /// What is shown of one group.
    struct Group: Sendable {
        /// The worst status of its checks, by the group's own rules.
        let status: HealthStatus
        /// Whether degraded is answered with 503 too.
        let isStrict: Bool
        /// The members of `checks` in the body.
        let healthChecks: [UInt8]
        /// Its checks, those that there are.
        let views: [CheckView]
    }

    /// The check of this name stands first in the body of `/ready`.
    static let databaseName = "database"
    /// The member of `/ready` that is no check.
    static let serverName = "server"

    /// The worst status of the checks.
    let status: HealthStatus
    /// Whether every check that `/ready` requires is up.
    let isReady: Bool
    /// The members of `checks` in the body of `/health`.
    let healthChecks: [UInt8]
    /// The members of `checks` in the body of `/ready` before `server`: the database.
    let readyChecksBeforeServer: [UInt8]
    /// The members after it: critical checks that the application registered.
    let readyChecksAfterServer: [UInt8]
    /// Until when this picture may be shown.
    let validUntil: SuspendingClock.Instant?
    /// Every check, in the order of registration.
    let views: [CheckView]
    /// Whether nobody outside may read why a check failed.
    let hidesReasons: Bool

    private let groups: [HealthGroup]
    private let indices: [String: Int]

    init(views: [CheckView], groups: [HealthGroup], hidesReasons: Bool, validUntil: SuspendingClock.Instant?) {
        var status = HealthStatus.healthy
        var isReady = true
        var health = JSONText()
        var before = JSONText()
        var after = JSONText()
        var indices: [String: Int] = [:]
        for (index, view) in views.enumerated() {
            let name = view.check.name
            let isUp = view.standing == .up
            indices[name] = index
            if view.standing != .unknown {
                // What `/ready` does not depend on can make the server degraded at most.
                let isCritical = view.check.readiness != .ignored
                status = max(status, isCritical ? view.report.status : min(view.report.status, .degraded))
            }
            health.member(name, view.members(hidesReasons: hidesReasons))
            switch view.check.readiness {
            case .required:
                isReady = isReady && isUp
                if name == Self.databaseName { before.member(name, isUp) } else { after.member(name, isUp) }
            case .requiredUnlisted:
                isReady = isReady && isUp
            case .ignored:
                break
            }
        }
        self.status = status
        self.isReady = isReady
        self.healthChecks = health.bytes
        self.readyChecksBeforeServer = before.bytes
        self.readyChecksAfterServer = after.bytes
        self.validUntil = validUntil
        self.views = views
        self.hidesReasons = hidesReasons
        self.groups = groups
        self.indices = indices
    }

    /// What is shown of the check of this name.
    func view(named name: String) -> CheckView? { self.indices[name].map { self.views[$0] } }

    /// Whether all of these checks are up. A name that is no check is not up, nor is one of which nobody can say.
    func isUp(_ names: [String]) -> Bool {
        names.allSatisfy { name in
            guard let index = self.indices[name] else { return false }
            return self.views[index].standing == .up
        }
    }

    /// What is shown of the group of this name.
    ///
    /// A check of which nobody can say counts as down here, other than for the whole: the check that it depends on need not
    /// be in the group, so that nothing else would tell.
    func group(named name: String) -> Group? {
        guard let group = self.groups.first(where: { $0.name == name }) else { return nil }
        var status = HealthStatus.healthy
        var health = JSONText()
        var views: [CheckView] = []
        for name in group.checks {
            let view = self.view(named: name)
            if view?.standing != .up {
                status = max(status, group.required.contains(name) ? .unhealthy : .degraded)
            }
            if let view {
                views.append(view)
                health.member(name, view.members(hidesReasons: self.hidesReasons))
            } else {
                health.member(name, [("status", .string(CheckView.Standing.unknown.rawValue))])
            }
        }
        return Group(status: status, isStrict: group.isStrict, healthChecks: health.bytes, views: views)
    }

    /// The picture without some of the checks, for whoever asks to leave them out.
    func excluding(_ names: Set<String>) -> HealthSnapshot {
        let groups = self.groups.map { group in
            HealthGroup(
                group.name,
                checks: group.checks.filter { !names.contains($0) },
                required: group.required.subtracting(names),
                isStrict: group.isStrict
            )
        }
        return HealthSnapshot(
            views: self.views.filter { !names.contains($0.check.name) },
            groups: groups,
            hidesReasons: self.hidesReasons,
            validUntil: self.validUntil
        )
    }
}

extension CheckView {
    /// The check's object in the body of `/health`: its details, then why it is not up, then what links that to the log.
    func members(hidesReasons: Bool) -> [(name: String, value: HealthReport.Value)] {
        let isUp = self.standing == .up
        var members = self.report.details
        let word = members.first { $0.name == "status" }
        if hidesReasons, !isUp, !self.check.detailsArePublic {
            members = [word ?? ("status", .string(self.report.status.rawValue))]
        } else if word == nil, members.isEmpty || !self.check.detailsArePublic {
            members.insert(("status", .string(self.report.status.rawValue)), at: 0)
        }
        guard !isUp else { return members }
        if !hidesReasons, let summary = self.report.summary { members.append(("reason", .string(summary))) }
        if let failureID { members.append(("id", .string(failureID))) }
        return members
    }
}
