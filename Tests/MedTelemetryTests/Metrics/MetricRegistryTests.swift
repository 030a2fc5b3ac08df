// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Dispatch
import Foundation
import Logging
import Synchronization
import Testing

@testable import MedTelemetry

@Suite struct MetricRegistryTests {
    private func page(_ registry: MetricRegistry, _ format: MetricFormat = .text) -> String {
        String(decoding: registry.page(format), as: UTF8.self)
    }

    /// The lines of one metric.
    private func lines(_ registry: MetricRegistry, _ name: String, _ format: MetricFormat = .text) -> [String] {
        self.page(registry, format).split(separator: "\n").map(String.init).filter { $0.contains(name) }
    }

    @Test func `a page has help, type and series in a stable order`() throws {
        let registry = MetricRegistry()
        let requests = try registry.counter(
            "requests", help: "Answered.\nAll \\ of them.", labels: ["method", "status"])
        requests.with("POST", "500").increment()
        requests.with("GET", "200").increment(by: 41)
        requests.with("GET", "200").increment()
        #expect(
            self.lines(registry, "requests") == [
                #"# HELP requests_total Answered.\nAll \\ of them."#, "# TYPE requests_total counter",
                #"requests_total{method="GET",status="200"} 42"#, #"requests_total{method="POST",status="500"} 1"#,
            ])
        #expect(
            self.lines(registry, "requests", .openMetrics).prefix(3) == [
                #"# HELP requests Answered.\nAll \\ of them."#, "# TYPE requests counter",
                #"requests_total{method="GET",status="200"} 42"#,
            ])
        #expect(self.page(registry, .openMetrics).hasSuffix("# EOF\n"))
        #expect(!self.page(registry).contains("# EOF"))
    }

    @Test func `quotes, backslashes and newlines of labels are escaped, and long values cut`() throws {
        let registry = MetricRegistry()
        let gauge = try registry.gauge("g", help: "h", labels: ["l"])
        gauge.with("a\"b\\c\nd").set(1.5)
        #expect(self.lines(registry, "g{") == [#"g{l="a\"b\\c\nd"} 1.5"#])
        let long = try registry.gauge("long", help: "h", labels: ["l"])
        long.with(String(repeating: "é", count: 1_000_000)).set(1)
        let line = try #require(self.lines(registry, "long{").first)
        #expect(line.utf8.count < 1100 && line.hasSuffix("…\"} 1"))
    }

    @Test func `a histogram is cumulative, and its sum of durations exact`() throws {
        let registry = MetricRegistry()
        let family = try registry.histogram(
            "took_seconds", help: "h", buckets: HistogramBuckets(bounds: [0.1, 1], areSeconds: true))
        for nanoseconds: Int64 in [100_000_000, 100_000_001, 3] { family.with().observe(nanoseconds: nanoseconds) }
        family.with().observe(7)
        #expect(
            self.lines(registry, "took_seconds").dropFirst(2) == [
                #"took_seconds_bucket{le="0.1"} 2"#, #"took_seconds_bucket{le="1"} 3"#,
                #"took_seconds_bucket{le="+Inf"} 4"#,
                "took_seconds_sum 7.200000004", "took_seconds_count 4",
            ])
        #expect(self.lines(registry, "le=\"1.0\"", .openMetrics) == [#"took_seconds_bucket{le="1.0"} 3"#])
        #expect(self.lines(registry, "# UNIT", .openMetrics) == ["# UNIT took_seconds seconds"])
    }

    @Test func `an exemplar is on the OpenMetrics page alone`() throws {
        let registry = MetricRegistry()
        let family = try registry.histogram("h", help: "h", buckets: HistogramBuckets(bounds: [1]))
        family.with().observe(0.5, exemplar: Exemplar(traceID: "aa", spanID: "bb", value: 0.5, time: 1_700_000_000_250))
        #expect(self.lines(registry, "le=\"1\"") == [#"h_bucket{le="1"} 1"#])
        #expect(
            self.lines(registry, "le=\"1.0\"", .openMetrics) == [
                ##"h_bucket{le="1.0"} 1 # {trace_id="aa",span_id="bb"} 0.5 1700000000.25"##
            ])
    }

    @Test func `numbers read as what they were`() {
        for number in [
            0, -0.0, 1, -1, 0.1, 0.30000000000000004, 1e308, -1e-308, Double.leastNonzeroMagnitude, 123_456.789, 1e15,
            9_007_199_254_740_992,
            1.0 / 3,
            .infinity, -.infinity, .pi * 1e9,
        ] + (0..<10_000).map({ _ in Double(bitPattern: .random(in: 0...(.max))) }).filter({ !$0.isNaN }) {
            var text: [UInt8] = []
            NumberText.append(number, to: &text)
            let read = Double(String(decoding: text, as: UTF8.self).replacing("Inf", with: "infinity"))
            #expect(read?.bitPattern == number.bitPattern || number == 0, "\(number)")
        }
        var text: [UInt8] = []
        for nanoseconds: Int64 in [0, 1, -1, 1_000_000_000, .max, .min] {
            NumberText.append(nanoseconds: nanoseconds, to: &text)
            text.append(UInt8(ascii: " "))
        }
        NumberText.append(.nan, to: &text)
        #expect(
            String(decoding: text, as: UTF8.self)
                == "0 0.000000001 -0.000000001 1 9223372036.854775807 -9223372036.854775808 NaN")
    }

    @Test func `a metric is registered once, as one thing, under one name`() throws {
        let registry = MetricRegistry()
        _ = try registry.counter("a", help: "h", labels: ["l"])
        _ = try registry.counter("a_total", help: "h", labels: ["l"])
        func code(_ register: () throws(MetricError) -> Void) -> MetricError.Code? {
            do throws(MetricError) { try register() } catch { return error.code }
            return nil
        }
        #expect(
            code { () throws(MetricError) in _ = try registry.gauge("a", help: "h", labels: ["l"]) } == .differentMetric
        )
        #expect(
            code { () throws(MetricError) in _ = try registry.counter("a", help: "h", labels: ["m"]) }
                == .differentMetric)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("a_total", help: "h") } == .nameCollision)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("b.c", help: "h") } == nil)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("b_c", help: "h") } == .nameCollision)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("", help: "h") } == .invalidName)
        for label in ["", "__a", "overflow"] {
            #expect(
                code { () throws(MetricError) in _ = try registry.gauge("c", help: "h", labels: [label]) }
                    == .invalidLabel)
        }
        #expect(
            code { () throws(MetricError) in _ = try registry.histogram("c", help: "h", labels: ["le"]) }
                == .invalidLabel)
        #expect(
            code { () throws(MetricError) in _ = try registry.gauge("c", help: "h", labels: ["x.y", "x_y"]) }
                == .invalidLabel)
    }

    @Test func `beyond the limit, a million values are one series`() throws {
        let registry = MetricRegistry(seriesLimit: 3)
        let counter = try registry.counter("c", help: "h", labels: ["l"])
        for number in 0..<1_000_000 { counter.with("\(number)").increment() }
        #expect(
            self.lines(registry, "c_total{") == [
                #"c_total{l="0"} 1"#, #"c_total{l="1"} 1"#, #"c_total{l="2"} 1"#, #"c_total{overflow="true"} 999997"#,
            ])
        #expect(
            self.lines(registry, "overflows_total{") == [
                #"medbuilder_metric_series_overflows_total{metric="c"} 999997"#
            ])
    }

    @Test func `names of any kind are underscored, or quoted for whoever takes UTF-8`() throws {
        let registry = MetricRegistry()
        let gauge = try registry.gauge("größe.in \"m\"", help: "h", labels: ["straße", "plain"])
        gauge.with("a", "b").set(2)
        #expect(self.lines(registry, "} 2") == [#"gr__e_in__m_{stra_e="a",plain="b"} 2"#])
        let format = MetricFormat.negotiate(accept: ["text/plain;version=1.0.0;escaping=allow-utf-8"])
        #expect(self.lines(registry, "} 2", format) == [#"{"größe.in \"m\"","straße"="a",plain="b"} 2"#])
        #expect(self.lines(registry, "# TYPE", format).last == #"# TYPE "größe.in \"m\"" gauge"#)
    }

    @Test(arguments: [
        ([], MetricFormat.Kind.text), (["*/*"], .text), (["text/html"], .text),
        (["application/openmetrics-text"], .openMetrics),
        (
            [
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ], .openMetrics
        ),
        (["text/plain;version=0.0.4, application/openmetrics-text;q=0.9"], .text),
        (["application/openmetrics-text;q=0, text/plain;q=0.1"], .text),
        (["application/openmetrics-text; version=2.0.0", "*/*"], .text),
        (
            [
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8"
            ], .protobuf
        ),
        (["application/vnd.google.protobuf;proto=other;encoding=delimited,text/plain;q=0.1"], .text),
        (["text/plain;q=nonsense, application/openmetrics-text;q=0.1"], .openMetrics), ([";;;,,,="], .text),
    ])
    func `the form is what Accept likes best`(accept: [String], kind: MetricFormat.Kind) {
        #expect(MetricFormat.negotiate(accept: accept).kind == kind)
    }

    @Test func `eight threads lose no count, and every page meanwhile is consistent`() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c", help: "h").with()
        let histogram = try registry.histogram("h", help: "h").with()
        let isDone = Atomic(false)
        let group = DispatchGroup()
        for _ in 0..<8 {
            DispatchQueue.global().async(group: group) {
                for number in 0..<100_000 {
                    counter.increment()
                    histogram.observe(nanoseconds: Int64(number) * 200_000)
                }
            }
        }
        group.notify(queue: .global()) { isDone.store(true, ordering: .releasing) }
        var last = 0
        while !isDone.load(ordering: .acquiring) {
            let lines = self.lines(registry, "h_")
            let counts = lines.filter { $0.hasPrefix("h_bucket") }.compactMap {
                Int($0.split(separator: " ").last ?? "")
            }
            #expect(
                counts == counts.sorted()
                    && counts.last.map(String.init) == lines.last?.split(separator: " ").last.map(String.init))
            #expect(counts.last ?? 0 >= last)
            last = counts.last ?? 0
        }
        #expect(counter.value == 800_000)
        #expect(histogram.count == 800_000)
        let sum: Int64 = 8 * 200_000 * (99_999 * 100_000 / 2)
        #expect(histogram.wholeSum == sum)
    }

    @Test func `what is no number or negative does no harm`() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c", help: "h").with()
        for amount in [-1.0, .nan, .infinity] { counter.increment(by: amount) }
        counter.increment(by: -5)
        counter.increment(by: 0.5)
        counter.increment()
        #expect(self.lines(registry, "c_total ").last == "c_total 1.5")
        let gauge = try registry.gauge("g", help: "h").with()
        gauge.set(.nan)
        #expect(self.lines(registry, "g ").contains("g NaN"))
        gauge.set(-.infinity)
        #expect(self.lines(registry, "g ").contains("g -Inf"))
        let histogram = try registry.histogram(
            "h", help: "h", buckets: HistogramBuckets(bounds: [.nan, 1, .infinity, 1])
        ).with()
        for value in [Double.nan, .infinity, -.infinity] { histogram.observe(value) }
        #expect(histogram.count == 2)
        #expect(histogram.buckets.bounds == [1])
    }

    @Test func `native buckets are those of the specification`() {
        // The upper bound of bucket i is 2^(i/8), inclusive.
        for index in -200...200 {
            let bound = exp2(Double(index) / 8)
            #expect(abs(NativeBuckets.index(of: bound) - index) <= (index % 8 == 0 ? 0 : 1))
            #expect(NativeBuckets.index(of: bound * 1.0001) == index + 1)
            #expect(NativeBuckets.index(of: bound * 0.9999) == index)
        }
        let native = NativeBuckets()
        for value in [0, 1, 1, 1.5, 1e300, .infinity] { native.observe(value) }
        let snapshot = native.snapshot
        #expect(snapshot.zeroCount == 1 && snapshot.total == 6)
        #expect(snapshot.offset == 0 && snapshot.counts.first == 2)
    }

    @Test func `what other packages measure comes out here`() throws {
        let registry = MetricRegistry()
        let factory = RegistryMetricsFactory(registry, logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
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
        #expect(!self.page(registry).contains("99"))
    }

    @Test func `gzip comes back`() throws {
        let bytes = Array(repeating: Array("medbuilder ".utf8), count: 10_000).flatMap(\.self)
        let packed = Gzip.compress(bytes)
        #expect(packed.count < bytes.count / 50 && packed.starts(with: [0x1f, 0x8b]))
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: packed)
        try input.fileHandleForWriting.close()
        #expect(try output.fileHandleForReading.readToEnd().map { Array($0) } == bytes)
        process.waitUntilExit()
        #expect(Gzip.compress([]).starts(with: [0x1f, 0x8b]))
    }
}
