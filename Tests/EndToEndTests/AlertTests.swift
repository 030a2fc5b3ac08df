// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The rules of `deploy/prometheus` and what Alertmanager makes of them.
@Suite(.endToEnd) struct AlertTests {
    private static let prometheus = Project.file("deploy/prometheus")

    private static func files(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.prometheus.appending(path: folder).path)
            .filter { $0.hasSuffix(".yaml") }.sorted()
    }

    @Test func `the rules on objectives are what the table of objectives gives`() async throws {
        try await runTool("python3", [Project.file("scripts/alerts.py").path, "--check"])

        // In a copy whose table is another, they are not, until they are made anew.
        let copy = try makeFolder("copy")
        for folder in ["scripts", "deploy"] {
            try await runTool("cp", ["-r", Project.file(folder).path, copy.path])
        }
        let table = copy.appending(path: "deploy/prometheus/objectives.yaml")
        let text = try String(contentsOf: table, encoding: .utf8)
        try Data(text.replacing("percent: 99.9", with: "percent: 99.5").utf8).write(to: table)
        let script = copy.appending(path: "scripts/alerts.py").path
        await #expect(throws: HarnessError.self) { try await runTool("python3", [script, "--check"]) }
        try await runTool("python3", [script])
        try await runTool("python3", [script, "--check"])
        let rules = copy.appending(path: "deploy/prometheus/rules/objectives.yaml")
        #expect(try String(contentsOf: rules, encoding: .utf8).contains("(14.4 * 0.005)"))
        try await runTool("promtool", ["check", "rules", rules.path])
    }

    @Test func `promtool and amtool take every file`() async throws {
        for file in try Self.files(in: "rules") {
            try await runTool("promtool", ["check", "rules", Self.prometheus.appending(path: "rules/\(file)").path])
        }
        try await runTool("promtool", ["check", "config", Self.prometheus.appending(path: "prometheus.yml").path])
        let file = Project.file("deploy/alertmanager/alertmanager.yml").path
        try await runTool("amtool", ["check-config", file])
        for (labels, receiver) in [(["severity=page"], "page"), (["severity=warn"], "warn"), ([], "warn")] {
            let told = try await runTool("amtool", ["config", "routes", "test", "--config.file=\(file)"] + labels)
            #expect(told == "\(receiver)\n", "\(labels)")
        }
    }

    @Test(arguments: ["objectives-fast.yaml", "objectives-slow.yaml", "probes.yaml", "receipts.yaml"])
    func `alerts fire when they should, not earlier, and not for longer`(file: String) async throws {
        try await runTool("promtool", ["test", "rules", Self.prometheus.appending(path: "tests/\(file)").path])
    }

    @Test func `each alert has its tests, and these notice each number that is another`() async throws {
        #expect(
            try Self.files(in: "tests") == [
                "objectives-fast.yaml", "objectives-slow.yaml", "probes.yaml", "receipts.yaml",
            ])
        #expect(try await askReferee("alerts", "cases") == "")
        #expect(try await askReferee("alerts", "mutants").hasSuffix(" mutants\n"))
    }

    @Test func `rules have the numbers of the contract, and ask for what the program has`() async throws {
        // One that has ended, since receipts are there only after the first.
        let first = try await drillServer()
        first.send(SIGTERM)
        #expect(try await first.waitForExit() == .code(0))
        let server = try await drillServer()
        #expect(try await server.get("/_drill/hello").status == 200)
        let page = try await settled {
            try await server.get("/metrics")
        } when: {
            $0.text.contains("medbuilder_shutdown_receipts{")
        }
        let file = try testFolder().appending(path: "page")
        try Data(page.body).write(to: file)
        #expect(try await askReferee("alerts", "numbers", file.path) == "")
    }

    @Test func `a replica that is unhealthy pages somebody, once, and resolves; a forced shutdown warns`() async throws
    {
        let collector = try RecordingCollector { $0.path == "/v2/enqueue" ? 202 : 200 }
        defer { collector.stop() }
        let database = try await startPostgres()
        try await database.query("CREATE ROLE app LOGIN PASSWORD 'app'; GRANT CREATE ON SCHEMA public TO app")
        let environment = ["DATABASE_URL": database.url("postgres", user: "app", password: "app")]
        _ = try await forceShutdown(environment)
        let server = try await drillServer(environment)

        let alertmanager = try await Deployed.startAlertmanager(telling: collector, hastenedBy: 20)
        // Not by more: it takes Prometheus itself 5 s to find a target.
        let prometheus = try await Deployed.startPrometheus(
            targets: [server.port], hastenedBy: 5, alertmanager: alertmanager)
        try await eventually("somebody is warned") {
            collector.text("/warnings").contains("A shutdown by SIGTERM ended forced within the last hour")
        }
        let warning = try #require(collector.deliveries.first { $0.path == "/warnings" })
        #expect(warning.fields["authorization"] == "Bearer T0KEN")
        #expect(collector.text("/v2/enqueue").isEmpty, "\(collector.everything)")

        try await database.query("ALTER ROLE app PASSWORD 'other'")
        try await database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
        try await eventually("somebody is paged") {
            self.events(collector, "trigger").contains { $0.contains("is unhealthy.") }
        }
        let event = try #require(self.events(collector, "trigger").last)
        #expect(event.contains(#""routing_key":"R0UT1NGKEY""#), "\(event)")
        #expect(event.contains("docs/runbook.md#medbuilderunhealthy"), "\(event)")
        // It is not ready either, which is not worth telling.
        try await eventually("the one is suppressed by the other") {
            try await alertmanager.state(of: "MedbuilderNotReady") == "suppressed"
        }
        #expect(try await alertmanager.state(of: "MedbuilderUnhealthy") == "active")
        #expect(try await prometheus.values(#"ALERTS{alertstate="firing", severity="page"}"#).count == 2)

        try await database.query("ALTER ROLE app PASSWORD 'app'")
        try await eventually("the page is over") { !self.events(collector, "resolve").isEmpty }
        #expect(try await server.get("/health").status == 200)
        // All of it was one incident.
        let keys = collector.deliveries.filter { $0.path == "/v2/enqueue" }.compactMap { delivery in
            try? OrderedJSON(String(decoding: delivery.body, as: UTF8.self))["dedup_key"]?.string
        }
        #expect(keys.count >= 2 && Set(keys).count == 1, "\(keys)")
    }

    /// What PagerDuty was told of one kind.
    private func events(_ collector: RecordingCollector, _ action: String) -> [String] {
        collector.deliveries.filter { $0.path == "/v2/enqueue" }.map { String(decoding: $0.body, as: UTF8.self) }
            .filter { $0.contains(#""event_action":"\#(action)""#) }
    }
}
