// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
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
                "# TYPE requests counter", #"# HELP requests Answered.\nAll \\ of them."#,
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

    @Test func `an exemplar is on the OpenMetrics page alone, the last one of each bucket`() throws {
        let registry = MetricRegistry()
        let histogram = try registry.histogram("h", help: "h", buckets: HistogramBuckets(bounds: [1])).with()
        let (trace, span) = (String(repeating: "ab", count: 16), String(repeating: "cd", count: 8))
        func exemplar(_ time: Int64, trace: String? = nil) -> Exemplar {
            Exemplar(traceID: trace ?? String(repeating: "ab", count: 16), spanID: span, time: time)
        }
        histogram.observe(0.25, exemplar: exemplar(1))
        histogram.observe(0.5, exemplar: exemplar(1_700_000_000_250))
        histogram.observe(0.75)
        // An id that is none, and would make the page invalid by its length, is left out.
        histogram.observe(2, exemplar: exemplar(2, trace: String(repeating: "a", count: 200)))
        histogram.observe(3, exemplar: exemplar(2, trace: "\"" + trace.dropFirst()))
        #expect(self.lines(registry, "le=\"1\"") == [#"h_bucket{le="1"} 3"#])
        #expect(
            self.lines(registry, "h_bucket", .openMetrics) == [
                #"h_bucket{le="1.0"} 3 # {trace_id="\#(trace)",span_id="\#(span)"} 0.5 1700000000.25"#,
                #"h_bucket{le="+Inf"} 5"#,
            ])
    }

    @Test func `a metric is registered once, as one thing, under one name`() throws {
        let registry = MetricRegistry()
        _ = try registry.counter("a", help: "h", labels: ["l"])
        #expect(
            try registry.counter("a_total", help: "h", labels: ["l"])
                === registry.counter("a", help: "h", labels: ["l"]))
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
        #expect(
            code { () throws(MetricError) in _ = try registry.counter("a", help: "other", labels: ["l"]) }
                == .differentMetric)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("a_total", help: "h") } == .nameCollision)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("b.c", help: "h") } == nil)
        #expect(code { () throws(MetricError) in _ = try registry.gauge("b_c", help: "h") } == .nameCollision)
        for name in ["", "a\nb", String(repeating: "n", count: 257)] {
            #expect(code { () throws(MetricError) in _ = try registry.gauge(name, help: "h") } == .invalidName)
        }
        for label in ["", "__a", "..a", "overflow", "le", "a\0"] {
            #expect(
                code { () throws(MetricError) in _ = try registry.gauge("c", help: "h", labels: [label]) }
                    == .invalidLabel)
        }
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
                #"medbuilder_metric_series_overflows_total{metric="c_total"} 999997"#
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
        (["text/plain;q=0.5, application/openmetrics-text;q=0.5"], .text),
        (["application/openmetrics-text;q=0.5", "text/plain;q=0.5"], .openMetrics),
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
        #expect(histogram.total == .nanoseconds(Int128(sum)))
    }

    @Test func `what has no labels is on the page from the start, and what has is not`() throws {
        let registry = MetricRegistry()
        _ = try registry.gauge("active_connections", help: "h")
        _ = try registry.counter("c", help: "h", labels: ["l"])
        #expect(
            self.page(registry)
                == "# HELP active_connections h\n# TYPE active_connections gauge\nactive_connections 0\n")
    }

    @Test func `there is a limit to metrics, too`() throws {
        let registry = MetricRegistry(metricLimit: 3)
        _ = try registry.gauge("a", help: "h")
        let error = #expect(throws: MetricError.self) { try registry.gauge("b", help: "h") }
        #expect(error?.code == .tooManyMetrics)
        _ = try registry.gauge("a", help: "h")
    }

    @Test func `what is looked at is brought up to date before each page and each snapshot`() throws {
        let registry = MetricRegistry()
        let gauge = try registry.gauge("g", help: "h").with()
        registry.onCollect { gauge.add(1) }
        registry.onCollect { gauge.set(gauge.value * 10) }
        #expect(self.lines(registry, "g ").last == "g 10")
        #expect(registry.snapshot().first?.series.first?.value == .number(110))
    }

    @Test func `descriptions are in order, with units`() throws {
        let registry = MetricRegistry()
        _ = try registry.histogram("wait_seconds", help: "Waited.", labels: ["state"])
        _ = try registry.gauge("memory_usage_bytes", help: "Memory.")
        _ = try registry.counter("errors_total", help: "Errors.")
        let own = ["medbuilder_metric_series_overflows", "medbuilder_metric_values_refused"]
        #expect(registry.descriptions.map(\.name) == ["errors"] + own + ["memory_usage_bytes", "wait_seconds"])
        #expect(registry.descriptions.map(\.unit) == [nil, nil, nil, "bytes", "seconds"])
        #expect(registry.descriptions.map(\.sampleName).first == "errors_total")
        #expect(registry.descriptions.last?.labels == ["state"])
    }

    @Test func `created times are shown where they are wanted, and never in the old format`() throws {
        func registry(_ showsCreated: Bool) throws -> MetricRegistry {
            let registry = MetricRegistry(showsCreated: showsCreated) { 1_700_000_000_050 }
            _ = try registry.counter("c", help: "h")
            _ = try registry.histogram("h", help: "h", buckets: HistogramBuckets(bounds: []))
            return registry
        }
        let shown = try registry(true)
        #expect(self.lines(shown, "_created", .openMetrics) == ["c_created 1700000000.05", "h_created 1700000000.05"])
        #expect(self.lines(shown, "_created").isEmpty)
        #expect(self.lines(try registry(false), "_created", .openMetrics).isEmpty)
    }

    @Test func `what is no number or negative does no harm, and is counted`() throws {
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
        histogram.observe(.nan)
        #expect(histogram.count == 0)
        #expect(histogram.buckets.bounds == [1])
        #expect(
            self.lines(registry, "refused_total{") == [
                #"medbuilder_metric_values_refused_total{metric="c_total"} 4"#,
                #"medbuilder_metric_values_refused_total{metric="h"} 1"#,
            ])
    }

    @Test func `an infinity is in the outermost bucket, and the sum says so`() throws {
        let registry = MetricRegistry()
        let plain = try registry.histogram("p", help: "h", buckets: HistogramBuckets(bounds: [1])).with()
        plain.observe(.infinity)
        #expect(
            self.lines(registry, "p_") == [
                #"p_bucket{le="1"} 0"#, #"p_bucket{le="+Inf"} 1"#, "p_sum +Inf", "p_count 1",
            ])
        plain.observe(-.infinity)
        #expect(
            self.lines(registry, "p_") == [#"p_bucket{le="1"} 1"#, #"p_bucket{le="+Inf"} 2"#, "p_sum NaN", "p_count 2"])
        // A sum that can fall is none in OpenMetrics, and without it there is no count.
        #expect(self.lines(registry, "p_", .openMetrics) == [#"p_bucket{le="1.0"} 1"#, #"p_bucket{le="+Inf"} 2"#])
        let negative = try registry.histogram("n", help: "h", buckets: HistogramBuckets(bounds: [1])).with()
        negative.observe(-5)
        #expect(self.lines(registry, "n_sum") == ["n_sum -5"] && self.lines(registry, "n_sum", .openMetrics).isEmpty)
        // 300 years are more than fit.
        let seconds = try registry.histogram("s", help: "h", buckets: .seconds).with()
        seconds.observe(300 * 365 * 86_400)
        #expect(self.lines(registry, "s_sum") == ["s_sum +Inf"])
    }

    @Test func `a duration below zero is none, since the clock was set back`() throws {
        let registry = MetricRegistry()
        let histogram = try registry.histogram("s", help: "h", buckets: .seconds).with()
        histogram.observe(nanoseconds: -5_000_000_000)
        histogram.observe(-3)
        histogram.observe(nanoseconds: 1_500_000_000)
        #expect(self.lines(registry, "s_sum", .openMetrics) == ["s_sum 1.5"])
        #expect(self.lines(registry, "s_count", .openMetrics) == ["s_count 3"])
        #expect(self.lines(registry, "le=\"0.005\"").last?.hasSuffix(" 2") == true)
    }

    @Test func `a sum of durations does not run over while somebody reads it`() throws {
        let histogram = Histogram(buckets: .seconds)
        // 160 years each.
        let nanoseconds: Int64 = 5_045_760_000_000_000_001
        for number in 1...10 {
            histogram.observe(nanoseconds: nanoseconds)
            #expect(histogram.total == .nanoseconds(Int128(nanoseconds) * Int128(number)))
        }
        var text: [UInt8] = []
        NumberText.append(nanoseconds: Int128(nanoseconds) * 10, to: &text)
        #expect(String(decoding: text, as: UTF8.self) == "50457600000.00000001")
    }

    @Test func `native buckets are those of the specification`() {
        // The upper bound of bucket i is 2^(i/8), inclusive; `exp2` gives it to a unit in the last place.
        for index in -240...320 {
            let bound = exp2(Double(index & 7) / 8) * exp2(Double(index >> 3))
            #expect(NativeBuckets.index(of: index & 7 == 0 ? bound : bound.nextDown.nextDown) == index)
            #expect(NativeBuckets.index(of: bound.nextUp.nextUp) == index + 1)
        }
        let native = NativeBuckets()
        #expect(native.snapshot == ExponentialBuckets())
        for value in [0, 1, 1, 1.5, 1e300, .infinity] { native.observe(value) }
        let snapshot = native.snapshot
        #expect(snapshot.zeroCount == 1 && snapshot.count == 6)
        #expect(snapshot.offset == 0 && snapshot.counts.first == 2)
    }
}
