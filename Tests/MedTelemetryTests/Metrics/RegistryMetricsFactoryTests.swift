// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Logging
import Synchronization
import Testing

@testable import MedTelemetry

@Suite struct RegistryMetricsFactoryTests {
    private func lines(_ registry: MetricRegistry, _ name: String, _ format: MetricFormat = .text) -> [String] {
        String(decoding: registry.page(format), as: UTF8.self).split(separator: "\n").map(String.init)
            .filter { name.isEmpty || $0.contains(name) }
    }

    private func factory(_ registry: MetricRegistry, _ logged: Logged = Logged()) -> RegistryMetricsFactory {
        RegistryMetricsFactory(registry, logger: Logger(label: "t") { _ in LoggedHandler(logged: logged) })
    }

    @Test func `what other packages measure comes out here`() throws {
        let registry = MetricRegistry()
        let factory = self.factory(registry)
        factory.makeCounter(label: "jobs.done", dimensions: [("b", "2"), ("a", "1")]).increment(by: 3)
        factory.makeCounter(label: "jobs.done", dimensions: [("a", "1"), ("b", "2")]).increment(by: 4)
        factory.makeCounter(label: "jobs.done", dimensions: []).increment(by: 1)
        factory.makeTimer(label: "job", dimensions: []).recordNanoseconds(3_000_000)
        factory.makeMeter(label: "depth", dimensions: []).set(2.5)
        factory.makeRecorder(label: "size", dimensions: [], aggregate: true).record(100 as Int64)
        // Of another type: it goes nowhere.
        factory.makeMeter(label: "jobs.done", dimensions: []).set(99 as Double)
        #expect(
            self.lines(registry, "jobs_done_total").suffix(2) == [
                "jobs_done_total 1", #"jobs_done_total{a="1",b="2"} 7"#,
            ])
        #expect(self.lines(registry, "job_seconds_sum") == ["job_seconds_sum 0.003"])
        #expect(self.lines(registry, "depth").last == "depth 2.5")
        #expect(self.lines(registry, "size_bucket{le=\"100\"}") == [#"size_bucket{le="100"} 1"#])
        #expect(!self.lines(registry, "").contains { $0.hasSuffix(" 99") })
    }

    @Test func `a type that is not the first one is logged once`() {
        let (registry, logged) = (MetricRegistry(), Logged())
        let factory = self.factory(registry, logged)
        for _ in 0..<3 {
            factory.makeCounter(label: "a", dimensions: []).increment(by: 1)
            factory.makeMeter(label: "a", dimensions: []).set(5 as Double)
            factory.makeTimer(label: "b", dimensions: []).recordNanoseconds(1)
            factory.makeRecorder(label: "b_seconds_sum", dimensions: [], aggregate: false).record(5 as Double)
        }
        let messages = logged.messages.withLock { $0 }
        #expect(messages.count == 2 && messages.first?.contains("'a'") == true)
        #expect(
            self.lines(registry, "a").contains("a_total 3")
                && !self.lines(registry, "5").contains { $0.hasSuffix(" 5") })
    }

    @Test func `dimensions that would be one label, or none, or one of Prometheus' own, make a page that can be read`()
        throws
    {
        let registry = MetricRegistry()
        let factory = self.factory(registry)
        for dimensions in [
            [("a.b", "1"), ("a_b", "2")], [("a_b", "2")], [("a-b", "2"), ("empty", "")],
            [("le", "1"), ("__name__", "x")],
            [("overflow", "true")], [], [("", "x")],
        ] { factory.makeCounter(label: "jobs.done", dimensions: dimensions).increment(by: 1) }
        #expect(
            self.lines(registry, "jobs_done_total").dropFirst(2) == [
                "jobs_done_total 2", #"jobs_done_total{a_b="2"} 3"#,
                #"jobs_done_total{exported___name__="x",exported_le="1"} 1"#,
                #"jobs_done_total{exported_overflow="true"} 1"#,
            ])
        for format in [MetricFormat.text, .openMetrics] {
            _ = try ExpositionParser.parse(registry.page(format), isOpenMetrics: format == .openMetrics)
        }
    }

    @Test func `labels, dimensions and names of a megabyte leave no more than a kilobyte each`() throws {
        let (registry, logged) = (MetricRegistry(), Logged())
        let factory = self.factory(registry, logged)
        let long = String(repeating: "é", count: 500_000)
        factory.makeCounter(label: "c", dimensions: [(long, long)]).increment(by: 1)
        for suffix in ["a", "b"] { factory.makeCounter(label: long + suffix, dimensions: []).increment(by: 1) }
        #expect(registry.page(.openMetrics).count < 3000)
        let messages = logged.messages.withLock { $0 }
        #expect(messages.count == 1 && messages.allSatisfy { $0.utf8.count < 1000 })
    }

    @Test func `a destroyed metric is off the page, and makes room for another`() {
        let registry = MetricRegistry(seriesLimit: 1)
        let factory = self.factory(registry)
        let first = factory.makeCounter(label: "c", dimensions: [("l", "1")])
        first.increment(by: 1)
        factory.makeCounter(label: "c", dimensions: [("l", "2")]).increment(by: 1)
        #expect(self.lines(registry, "c_total{").contains(#"c_total{overflow="true"} 1"#))
        factory.destroyCounter(first)
        factory.makeCounter(label: "c", dimensions: [("l", "3")]).increment(by: 7)
        #expect(self.lines(registry, "c_total{l") == [#"c_total{l="3"} 7"#])
        let meter = factory.makeMeter(label: "m", dimensions: [])
        let timer = factory.makeTimer(label: "t", dimensions: [])
        let recorder = factory.makeRecorder(label: "r", dimensions: [], aggregate: true)
        let other = factory.makeFloatingPointCounter(label: "f", dimensions: [])
        #expect(
            registry.snapshot().map(\.description.name).suffix(4)
                == ["medbuilder_metric_series_overflows", "m", "r", "t_seconds"].sorted())
        factory.destroyMeter(meter)
        factory.destroyTimer(timer)
        factory.destroyRecorder(recorder)
        factory.destroyFloatingPointCounter(other)
        #expect(registry.snapshot().map(\.description.name) == ["c", "medbuilder_metric_series_overflows"])
    }
}

/// What was logged.
private final class Logged: Sendable {
    let messages = Mutex<[String]>([])
}

private struct LoggedHandler: LogHandler {
    let logged: Logged
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    init(logged: Logged) { self.logged = logged }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        self.logged.messages.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }
}
