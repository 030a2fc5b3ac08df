// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The body of `/health` for clients that speak `application/health+json` (draft-inadarei-api-health-check-06).
///
/// Decisions where the draft leaves room:
/// - `status` follows the status code, as §3.1 demands: `fail` with 503, also where a strict group is degraded only.
/// - A check that is unknown, because one that it stands on is down, is `warn`: it is not known to have failed, and
///   `pass` would be a lie.
/// - A failure in production is linked to the log by `failureId`, an additional key as §4.10 allows; `output` is then
///   left out, since it would be the reason.
/// - A shutdown is a note (§3.4): no check fails because of it.
struct HealthJSON {
    static let contentType = "application/health+json"

    var status: HealthStatus
    /// Whether the answer's status code says that it failed.
    var hasFailed: Bool
    var identity: ServiceIdentity
    var phase: Phase
    /// Whole seconds.
    var uptime: Int
    var timestamp: Timestamp
    var views: [CheckView]
    /// The checks of the whole, in which those of a group may stand on others.
    var allViews: [CheckView]
    var hidesReasons: Bool

    var body: [UInt8] {
        var json = JSONText()
        json.member("status", self.hasFailed ? "fail" : self.status == .healthy ? "pass" : "warn")
        if let version = self.identity.version { json.member("version", version) }
        if let release = self.identity.release { json.member("releaseId", release) }
        if self.phase == .starting { json.member("notes", array: ["The start-up is not finished."]) }
        if self.phase.isShuttingDown { json.member("notes", array: ["The server is shutting down."]) }
        if let serviceID = self.identity.serviceID { json.member("serviceId", serviceID) }
        if let description = self.identity.description { json.member("description", description) }
        var checks = JSONText()
        var uptime = JSONText()
        uptime.member("componentType", "system")
        uptime.member("observedValue", self.uptime)
        uptime.member("observedUnit", "s")
        uptime.member("status", "pass")
        uptime.member("time", self.timestamp.description)
        checks.member("uptime", arrayOf: uptime)
        for view in self.views {
            checks.member(view.check.name + ":" + view.check.observes.measurement, arrayOf: self.component(view))
        }
        json.member("checks", object: [checks.bytes])
        return json.object
    }

    private func component(_ view: CheckView) -> JSONText {
        var json = JSONText()
        json.member("componentType", view.check.componentType)
        let observes = view.check.observes
        if let value = view.report.details.first(where: { $0.name == observes.detail })?.value, value != .null,
            view.showsDetails(hidesReasons: self.hidesReasons)
        {
            json.member("observedValue", value)
            json.member("observedUnit", observes.unit)
        } else if observes.measurement == HealthCheck.Observation.responseTime.measurement, let time = view.responseTime
        {
            json.member("observedValue", milliseconds: time)
            json.member("observedUnit", "ms")
        }
        switch view.outcome {
        case .up: json.member("status", "pass")
        case .degraded, .unknown: json.member("status", "warn")
        case .down: json.member("status", "fail")
        }
        if view.outcome != .up, !view.check.affectedEndpoints.isEmpty {
            json.member("affectedEndpoints", array: view.check.affectedEndpoints)
        }
        if let lastRun = view.lastRun { json.member("time", lastRun.description) }
        guard view.outcome != .up else { return json }
        if !self.hidesReasons {
            let causes = view.standing == .unknown ? view.causes(among: self.allViews) : []
            if !causes.isEmpty {
                json.member("output", "Unknown without " + causes.joined(separator: ", ") + ".")
            } else if let summary = view.report.summary {
                json.member("output", summary)
            }
        }
        if let id = view.failureID { json.member("failureId", id) }
        return json
    }
}
