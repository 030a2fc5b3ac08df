// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// `deploy/grafana/dashboard.json`: Prometheus has an answer to everything that it asks.
@Suite(.endToEnd) struct DashboardTests {
    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Place: Decodable {
                var x: Int
                var y: Int
                var w: Int
                var h: Int
            }
            struct Target: Decodable {
                var expr: String
            }
            var id: Int
            var title: String
            var type: String
            var gridPos: Place
            var targets: [Target]?
        }
        struct Templating: Decodable {
            struct Variable: Decodable {
                var name: String
            }
            var list: [Variable]
        }
        var panels: [Panel]
        var templating: Templating
    }

    private static let text: String = (try? Project.text("deploy/grafana/dashboard.json")) ?? ""

    private func read() throws -> Dashboard {
        try JSONDecoder().decode(Dashboard.self, from: Data(Self.text.utf8))
    }

    @Test func `every panel has its place, and asks something`() throws {
        let dashboard = try self.read()
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        var taken = Set<[Int]>()
        for panel in dashboard.panels {
            let place = panel.gridPos
            #expect(place.x >= 0 && place.x + place.w <= 24, "\(panel.title) is too wide")
            for x in place.x..<place.x + place.w {
                for y in place.y..<place.y + place.h {
                    #expect(taken.insert([x, y]).inserted, "\(panel.title) covers another one")
                }
            }
            #expect(panel.type == "row" || panel.targets?.isEmpty == false, "\(panel.title) asks nothing")
        }
        // No query is anywhere else, where the test below would not find it.
        let count = Self.text.ranges(of: #""expr":"#).count
        #expect(count == dashboard.panels.reduce(0) { $0 + ($1.targets?.count ?? 0) } && count > 40)
        let variables = Set(dashboard.templating.list.map(\.name)).union(["__rate_interval", "__all"])
        for match in Self.text.matches(of: /\$\{?([a-z_]+)/) {
            #expect(variables.contains(String(match.1)), "There is no variable \(match.1)")
        }
    }

    @Test(.alone) func `Prometheus has data for every query, of the drill`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let database = try await startPostgres()
        let environment = [
            "DATABASE_URL": database.url("postgres"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)",
            "PHI_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            // So that a standstill is over sooner.
            "LIVE_STALL_SECONDS": "2", "SHUTDOWN_GRACE_SECONDS": "2", "SHUTDOWN_DEADLINE_SECONDS": "6",
        ]
        let targets = try testFolder().appending(path: "targets.json")
        let prometheus = try await Deployed.startPrometheus(
            discovery: "file_sd_configs: [{files: ['\(targets.path)'], refresh_interval: 1s}]", hastenedBy: 1,
            judgesEverySecond: true)
        let start = Date()
        // A replica that stands still is shut down by force, and the next one that starts tells of that.
        let drill = try ServerProcess(
            in: makeFolder("drill"),
            [
                "drill", "--updates", "1", "--rate", "100", "--drain-delay", "3", "--faults", "kill", "trap", "stall",
                "--scrape-targets", targets.path,
            ], environment: environment)
        try #require(EndToEnd.current).add(drill.process)
        let exit = try await drill.process.waitForExit()
        #expect(exit == .code(0), "\(drill.process.outputText)\n\(drill.process.errorText)")
        for panel in try self.read().panels {
            for target in panel.targets ?? [] {
                let expression = target.expr.replacing("$__rate_interval", with: "10s")
                    .replacing("$job", with: "medbuilder").replacing("$instance", with: ".*")
                let values = try await prometheus.values(expression, from: start, to: Date())
                let hasData = values.contains { !$0.isNaN }
                #expect(hasData, "No data for “\(panel.title)”: \(expression)")
            }
        }
    }
}
