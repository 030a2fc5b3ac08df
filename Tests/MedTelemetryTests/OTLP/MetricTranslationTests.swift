// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct MetricTranslationTests {
    private let registry = MetricRegistry { 5000 }

    @Test func `metrics have the names, units and labels of the conventions where there are some`() throws {
        try self.registry.histogram(
            "request_seconds", help: "How long.", labels: ["method", "other"],
            buckets: HistogramBuckets(bounds: [1, 2], areSeconds: true)
        ).with("GET", "x").observe(1.5)
        try self.registry.counter("sent_bytes", help: "Sent.").with().increment(by: 3)
        try self.registry.gauge("open", help: "Open.").with().set(-2)
        _ = try self.registry.gauge("nothing", help: "Never set.", labels: ["l"])
        let metrics = self.registry.otlpMetrics([
            "request_seconds": MetricTranslation("request.duration", unit: "s", labels: ["method": "request.method"])
        ])
        #expect(metrics.map(\.name) == ["open", "request.duration", "sent_bytes"])
        let byName = Dictionary(uniqueKeysWithValues: metrics.map { ($0.name, $0) })
        #expect(byName["sent_bytes"]?.unit == "By" && byName["open"]?.unit == "")
        #expect(byName["request.duration"]?.unit == "s" && byName["request.duration"]?.description == "How long.")
        guard case .histogram(let points, .cumulative)? = byName["request.duration"]?.data, let point = points.first
        else {
            Issue.record("There is no histogram.")
            return
        }
        #expect(
            point.attributes == [OTLPAttribute("request.method", .string("GET")), OTLPAttribute("other", .string("x"))])
        #expect(point.bucketCounts == [0, 1, 0] && point.bounds == [1, 2] && point.count == 1 && point.sum == 1.5)
        #expect(point.time == 5_000_000_000 && point.start == 5_000_000_000)
        guard case .sum(let sums, isMonotonic: true, .cumulative)? = byName["sent_bytes"]?.data,
            case .gauge(let gauges)? = byName["open"]?.data
        else {
            Issue.record("There is no sum, or no gauge.")
            return
        }
        #expect(sums.map(\.value) == [.int(3)] && gauges.map(\.value) == [.double(-2)])
    }
}
