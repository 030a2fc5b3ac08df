// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import MedTelemetry

@Suite struct MetricSnapshotTests {
    @Test func `a snapshot has everything, since when, and does not change`() throws {
        let time = Atomic<Int64>(1000)
        let registry = MetricRegistry { time.load(ordering: .relaxed) }
        let counter = try registry.counter("c", help: "Counted.", labels: ["l"])
        counter.with("b").increment()
        time.store(2000, ordering: .relaxed)
        counter.with("a").increment(by: 0.5)
        let histogram = try registry.histogram(
            "h_seconds", help: "h", buckets: HistogramBuckets(bounds: [1, 2], areSeconds: true, hasNative: true)
        ).with()
        var exemplar = Exemplar(
            traceID: String(repeating: "ab", count: 16), spanID: String(repeating: "cd", count: 8), time: 7)
        histogram.observe(1.5, exemplar: exemplar)
        histogram.observe(nanoseconds: 250_000_000)
        exemplar.value = 1.5
        let snapshot = registry.snapshot()
        #expect(snapshot.map(\.description.name) == ["c", "h_seconds"])
        #expect(
            snapshot.first?.series == [
                .init(labels: [MetricLabel("l", "a")], startTime: 2000, value: .number(0.5)),
                .init(labels: [MetricLabel("l", "b")], startTime: 1000, value: .whole(1)),
            ])
        guard case .histogram(let values)? = snapshot.last?.series.first?.value else {
            Issue.record("There is no histogram.")
            return
        }
        #expect(values.bounds == [1, 2] && values.counts == [1, 1, 0] && values.count == 2 && values.sum == 1.75)
        #expect(values.isMonotonic && values.exemplars == [exemplar])
        // 0.25 = 2^(-16/8) is the upper bound of its bucket, and 1.5 is below 2^(5/8).
        #expect(values.exponential?.offset == -16 && values.exponential?.counts.count == 22)
        #expect(values.exponential?.count == 2 && values.exponential?.scale == 3 && values.exponential?.zeroCount == 0)
        histogram.observe(1)
        #expect(registry.snapshot() != snapshot && values.count == 2)
    }
}
