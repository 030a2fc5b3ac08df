// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension HealthGroup {
    /// The status of the group, from its checks alone, without those that a request excludes.
    ///
    /// A check that is unknown counts as down here: the one that it stands on need not be in the group, and then nothing
    /// else would tell.
    func status(of views: [CheckView], excluding excluded: Set<String> = []) -> HealthStatus {
        var status = HealthStatus.healthy
        for name in self.checks where !excluded.contains(name) {
            let view = views.first { $0.check.name == name }
            let own = view.map { $0.standing == .unknown ? .unhealthy : $0.report.status } ?? .unhealthy
            status = max(status, self.required.contains(name) ? own : min(own, .degraded))
        }
        return status
    }
}
