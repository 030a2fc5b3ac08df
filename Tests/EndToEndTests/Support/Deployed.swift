// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What `deploy/` has for Prometheus and those beside it, with the addresses of a test and nothing else changed, unless it says so.
enum Deployed {
    /// The secrets of Alertmanager: the names of their files, and what is in these.
    static let secrets = ["pagerduty-routing-key": "R0UT1NGKEY", "webhook-token": "T0KEN"]

    /// Starts Prometheus as deployed, but asking once a second, with the rules' `for:` divided by a factor.
    static func startPrometheus(
        targets: [Int], hastenedBy factor: Int, alertmanager: AlertmanagerServer? = nil
    ) async throws -> PrometheusServer {
        let list = targets.map { #""127.0.0.1:\#($0)""# }.joined(separator: ", ")
        return try await self.startPrometheus(
            discovery: "static_configs: [{targets: [\(list)]}]", hastenedBy: factor, alertmanager: alertmanager)
    }

    /// The same with what says whom it asks.
    ///
    /// - Parameter judgesEverySecond: Whether it evaluates all rules once a second, and not when they say.
    static func startPrometheus(
        discovery: String, hastenedBy factor: Int, alertmanager: AlertmanagerServer? = nil,
        judgesEverySecond: Bool = false
    ) async throws -> PrometheusServer {
        var text = try Project.text("deploy/prometheus/prometheus.yml")
        try self.replace("scrape_interval: 5s", with: "scrape_interval: 1s", in: &text)
        try self.replace("scrape_timeout: 3s", with: "scrape_timeout: 1s", in: &text)
        // A port on which nobody is, if there is no Alertmanager.
        try self.replace("alertmanager:9093", with: "127.0.0.1:\(alertmanager?.port ?? 9)", in: &text)
        try self.replace(
            """
                dns_sd_configs:
                  - names: ["medbuilder"]
                    type: A
                    port: 5001
                    refresh_interval: 5s
            """, with: "    \(discovery)", in: &text)
        var rules = try await askReferee("alerts", "hasten", "\(factor)")
        if judgesEverySecond {
            try self.replace("evaluation_interval: 15s", with: "evaluation_interval: 1s", in: &text)
            rules = rules.replacing(/\binterval: \d+s/, with: "interval: 1s")
        }
        return try await PrometheusServer(in: makeFolder("prometheus"), configuration: text, rules: rules)
    }

    /// Starts Alertmanager as deployed, but telling a collector of the test, and gathering for a shorter time.
    static func startAlertmanager(telling collector: RecordingCollector, hastenedBy factor: Int) async throws
        -> AlertmanagerServer
    {
        let folder = try makeFolder("secrets")
        for (name, secret) in self.secrets { try Data(secret.utf8).write(to: folder.appending(path: name)) }
        var text = try Project.text("deploy/alertmanager/alertmanager.yml")
        let address = "http://127.0.0.1:\(collector.port)"
        try self.replace(
            "\nglobal:\n", with: "\nglobal:\n  pagerduty_url: \(address)/v2/enqueue\n", in: &text)
        try self.replace("http://alert-bridge:8080", with: address, in: &text)
        text = text.replacing("/etc/alertmanager/secrets/", with: folder.path + "/")
        text = text.replacing(/(group_wait|group_interval): (\d+)(s|m)/) { match in
            let seconds = (Int(match.2) ?? 0) * (match.3 == "m" ? 60 : 1)
            return "\(match.1): \(seconds * 1000 / factor)ms"
        }
        return try await AlertmanagerServer(in: makeFolder("alertmanager"), configuration: text)
    }

    /// Puts something in the place of what has to be there exactly once.
    private static func replace(_ old: String, with new: String, in text: inout String) throws {
        try #require(text.ranges(of: old).count == 1, "Not there once: \(old)")
        text = text.replacing(old, with: new)
    }
}

/// Leaves a receipt of a shutdown that was forced, in the state folder of the running test and its database.
func forceShutdown(_ environment: [String: String] = [:]) async throws -> ServerProcess {
    let server = try await drillServer(
        environment.merging([
            "SHUTDOWN_GRACE_SECONDS": "0.1", "SHUTDOWN_DEADLINE_SECONDS": "1", "DRILL_CLEAN_UP_SECONDS": "60",
        ]) { $1 })
    #expect(try await server.get("/_drill/throw").status == 500)
    server.send(SIGTERM)
    #expect(try await server.waitForExit() == .code(1))
    return server
}
