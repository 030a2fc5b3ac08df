// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The settings that the pages about Datadog and New Relic give, against an intake with the rules of theirs.
@Suite(.endToEnd) struct IntakeTests {
    /// A block of settings on one of the pages.
    struct Page: Sendable, CustomTestStringConvertible {
        let name: String
        let settings: String
        /// The header that has the key.
        let keyHeader: String
        /// The paths to which something has to come.
        let paths: Set<String>

        static let all = [
            Page(
                name: "datadog", settings: "intake", keyHeader: "dd-api-key", paths: ["/v1/metrics", "/v1/logs"]),
            Page(name: "datadog", settings: "preview", keyHeader: "dd-api-key", paths: ["/v1/traces"]),
            Page(
                name: "new-relic", settings: "intake", keyHeader: "api-key",
                paths: ["/v1/traces", "/v1/metrics", "/v1/logs"]),
        ]

        var testDescription: String { "\(self.name) \(self.settings)" }

        /// The settings, with the intake on this machine and keys of the test.
        func environment(port: Int, key: String) throws -> [String: String] {
            let page = try Project.text("docs/\(self.name).md")
            let start = try #require(page.range(of: "<!-- settings for the server: \(self.settings) -->\n```sh\n"))
            let end = try #require(page.range(of: "```", range: start.upperBound..<page.endIndex))
            let lines = page[start.upperBound..<end.lowerBound].split(separator: "\n")
            return try Dictionary(
                uniqueKeysWithValues: lines.map { line in
                    let equals = try #require(line.firstIndex(of: "="))
                    let value = line[line.index(after: equals)...]
                        .replacing(/https:\/\/[a-z.-]+/, with: "http://127.0.0.1:\(port)")
                        .replacing(/\$[A-Z_]+/, with: key)
                    return (String(line[..<equals]), String(value))
                })
        }
    }

    /// What an intake demands of the fields of a request, and the status that it answers with.
    private static func status(_ delivery: RecordingCollector.Delivery, _ page: Page, key: String) -> Int {
        guard delivery.fields[page.keyHeader] == key else { return 403 }
        guard page.paths.contains(delivery.path) else { return 404 }
        guard delivery.fields["content-type"] == "application/x-protobuf" else { return 415 }
        return delivery.body.count <= 1_000_000 ? 200 : 413
    }

    private struct Entry: Encodable {
        let signal: String
        let contentType: String
        let encoding: String?
        let body: String
        var maxBytes = 1_000_000
        var maxText = 4095
        var delta = true
    }

    @Test(arguments: Page.all) func `what the page says is what the intake takes`(_ page: Page) async throws {
        let key = "0123456789abcdef"
        let collector = try RecordingCollector { Self.status($0, page, key: key) }
        defer { collector.stop() }
        let environment = try page.environment(port: collector.port, key: key).merging([
            "LOG_LEVEL": "info", "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        ]) { $1 }
        let server = try await drillServer(environment)
        for number in 0..<200 {
            _ = try await server.post("/_drill/transaction?value=\(number)")
            if number.isMultiple(of: 50) { _ = try await server.get("/_drill/throw") }
        }
        try await eventually("everything has come") { Set(collector.deliveries.map(\.path)) == page.paths }
        let metrics = try await server.get("/metrics").text
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(!metrics.contains(#"outcome="failed"} 1"#))
        for path in page.paths {
            let signal = path.dropFirst("/v1/".count)
            #expect(metrics.contains(#"otlp_items_total{signal="\#(signal)",outcome="dropped"} 0"#), "\(metrics)")
        }

        let deliveries = collector.deliveries
        #expect(deliveries.allSatisfy { Self.status($0, page, key: key) == 200 })
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let lines = try deliveries.map { delivery in
            let entry = Entry(
                signal: String(delivery.path.dropFirst("/v1/".count)),
                contentType: delivery.fields["content-type"] ?? "",
                encoding: delivery.fields["content-encoding"], body: Data(delivery.body).base64EncodedString())
            return String(decoding: try encoder.encode(entry), as: UTF8.self)
        }
        let file = try testFolder().appending(path: "bodies")
        try Data(lines.joined(separator: "\n").utf8).write(to: file)
        #expect(try await askReferee("otlp", file.path).hasPrefix(#"{"bodies": \#(deliveries.count), "#))
    }

    @Test func `an intake that refuses is told of in the log, without the key, and counted`() async throws {
        let page = Page.all[0]
        let collector = try RecordingCollector { Self.status($0, page, key: "another") }
        defer { collector.stop() }
        let environment = try page.environment(port: collector.port, key: "CANARYKEY").merging([
            "OTEL_METRIC_EXPORT_INTERVAL": "100"
        ]) { $1 }
        let server = try await drillServer(environment)
        let record = try await server.record { record in
            record.message == "Telemetry is not taken" && record.field("otlp.signal") == "metrics"
        }
        #expect(record.level == "warning")
        #expect(record.field("error.message") == "The collector answered with status 403.")
        let metrics = try await server.get("/metrics").text
        #expect(!metrics.contains(#"otlp_items_total{signal="metrics",outcome="dropped"} 0"#))
        #expect(metrics.contains(#"otlp_items_total{signal="metrics",outcome="dropped"} "#))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(!server.process.outputText.contains("CANARYKEY") && !metrics.contains("CANARYKEY"))
    }
}
