// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTelemetry
import NIOCore
import NIOHTTP1
import Testing

@testable import MedServer

@Suite struct RequestSchemeTests {
    private func telemetry(scheme: String, hasPlainPort: Bool) throws -> ServerTelemetry {
        try ServerTelemetry(
            MetricRegistry(), version: "1", environment: "test", scheme: scheme, hasPlainPort: hasPlainPort,
            databaseSystem: "sqlite")
    }

    private func outcome(_ route: String, isSecure: Bool) -> RequestOutcome {
        RequestOutcome(
            method: .GET, route: route, status: 200, duration: .milliseconds(1), requestBytes: 0, responseBytes: 0,
            requestID: nil, isProbe: true, isSecure: isSecure, trace: nil)
    }

    /// The routes and schemes of the requests that a collector hears of.
    private func schemes(_ telemetry: ServerTelemetry) -> [String] {
        telemetry.otlpMetrics().filter { $0.name == "http.server.request.duration" }.flatMap { metric in
            guard case .histogram(let points, _) = metric.data else { return [String]() }
            return points.map { point in
                ["http.route", "url.scheme"].map { key in
                    guard case .string(let text)? = point.attributes.first(where: { $0.key == key })?.value else {
                        return "none"
                    }
                    return text
                }.joined(separator: " ") + " \(point.count)"
            }
        }.sorted()
    }

    @Test func `a request has the scheme of its port`() throws {
        let telemetry = try self.telemetry(scheme: "https", hasPlainPort: true)
        for isSecure in [true, true, false] { telemetry.http.ended(self.outcome("/live", isSecure: isSecure)) }
        telemetry.http.ended(self.outcome("/metrics", isSecure: false))
        #expect(self.schemes(telemetry) == ["/live http 1", "/live https 2", "/metrics http 1"])
        // The page has the labels that it always has.
        let durations = telemetry.registry.snapshot().first { $0.description.name == "http_request_duration_seconds" }
        #expect(
            durations?.series.map { $0.labels.map(\.value) } == [["GET", "/live", "200"], ["GET", "/metrics", "200"]])
    }

    @Test(arguments: [("http", true), ("https", false)])
    func `where all ports have the same scheme, each request has it`(scheme: String, hasPlainPort: Bool) throws {
        let telemetry = try self.telemetry(scheme: scheme, hasPlainPort: hasPlainPort)
        telemetry.http.ended(self.outcome("/live", isSecure: scheme == "https"))
        #expect(self.schemes(telemetry) == ["/live \(scheme) 1"])
    }
}
