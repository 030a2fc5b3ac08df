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

    @Test func `Prometheus has data for every query, of two replicas under load`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let database = try await startPostgres()
        let environment = [
            "DATABASE_URL": database.url("postgres"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)",
        ]
        _ = try await forceShutdown(environment)
        let first = try await drillServer(environment)
        let second = try await readyServer(
            environment.merging(["DRILL_ROUTES": "on"]) { $1 }, in: makeFolder("second"))
        var loads: [SteadyLoad] = []
        for server in [first, second] {
            for target in ["/_drill/hello", "/_drill/rows", "/_drill/throw"] {
                loads.append(
                    SteadyLoad.start(port: try await server.port, target: target, perSecond: 10, connections: 1))
            }
        }
        let prometheus = try await Deployed.startPrometheus(targets: [first.port, second.port], hastenedBy: 1)
        for panel in try self.read().panels {
            for target in panel.targets ?? [] {
                let expression = target.expr.replacing("$__rate_interval", with: "10s")
                    .replacing("$job", with: "medbuilder").replacing("$instance", with: ".*")
                try await eventually("Prometheus has data for “\(panel.title)”: \(expression)") {
                    #expect(try await first.post("/_drill/transaction?value=a").status == 201)
                    return try await prometheus.values(expression).contains { !$0.isNaN }
                }
            }
        }
        for load in loads { _ = try await load.stop() }
    }
}
