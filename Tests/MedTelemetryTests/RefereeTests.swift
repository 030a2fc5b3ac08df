// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

@testable import MedTelemetry

/// What we write, read by code that is not ours.
@Suite struct RefereeTests {
    /// A folder of the test's own, for as long as `body` runs.
    private func withFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "medbuilder-referee-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    private struct Series: Decodable {
        let label: String
        let text: String
        let value: String
    }

    @Test func `the strict parser of prometheus-client reads a hundred thousand random series as they were meant`()
        async throws
    {
        try await self.withFolder { folder in
            let lines = try await askReferee("openmetrics", "generate", "100000")
            let (file, page) = (folder.appending(path: "series"), folder.appending(path: "page"))
            try Data(lines.utf8).write(to: file)
            let registry = MetricRegistry(seriesLimit: .max)
            let metric = try registry.gauge(
                "random_values", help: "Has \"quotes\", a \\ and\na line break.", labels: nil)
            let decoder = JSONDecoder()
            for line in lines.utf8.split(separator: UInt8(ascii: "\n")) {
                let series = try decoder.decode(Series.self, from: Data(line))
                let value = try #require(Double(series.value))
                metric.series([(series.label, series.text)]).set(value)
            }
            try Data(registry.page(.openMetrics)).write(to: page)
            #expect(try await askReferee("openmetrics", "check", file.path, page.path) == "100000\n")
        }
    }

    @Test func `OpenTelemetry's own descriptions read both forms of every request as the same`() async throws {
        try await self.withFolder { folder in
            let file = folder.appending(path: "bodies")
            try Data(OTLPSamples.refereeLines.utf8).write(to: file)
            let verdict = try await askReferee("otlp", file.path)
            #expect(verdict.hasPrefix(#"{"bodies": 606, "pairs": 303, "#), "\(verdict)")
        }
    }

    @Test func `the referees see what is wrong`() async throws {
        try await self.withFolder { folder in
            let file = folder.appending(path: "bodies")
            for wrong in [
                // A number that is no string, another field, an identifier in capitals.
                #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":1}]}]}]}"#,
                #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"time":"1"}]}]}]}"#,
                #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"0AF7651916CD43DD8448EB211C80319C"}]}]}]}"#,
            ] {
                let body = Data(wrong.utf8).base64EncodedString()
                let line = #"{"signal":"logs","contentType":"application/json","body":"\#(body)"}"#
                try Data(line.utf8).write(to: file)
                await #expect(throws: HarnessError.self) { try await askReferee("otlp", file.path) }
            }
            let series = folder.appending(path: "series")
            try Data(#"{"label":"a","text":"b","value":"1.0"}"#.utf8).write(to: series)
            for wrong in ["random_values{a=\"b\"} 2.0\n# EOF\n", "random_values{a=\"b\"} 1.0\n", "# EOF\n"] {
                try Data(wrong.utf8).write(to: file)
                await #expect(throws: HarnessError.self) {
                    try await askReferee("openmetrics", "check", series.path, file.path)
                }
            }
        }
    }
}
