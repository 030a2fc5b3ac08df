// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct OTLPDeltasTests {
    private func number(_ value: OTLPNumber, start: UInt64 = 1, time: UInt64, label: String = "a") -> OTLPNumberPoint {
        OTLPNumberPoint(attributes: [OTLPAttribute("l", .string(label))], start: start, time: time, value: value)
    }

    private func sum(_ points: [OTLPNumberPoint], isMonotonic: Bool = true, isObserved: Bool = false) -> OTLPMetric {
        OTLPMetric(
            name: "m", description: "", unit: "1", data: .sum(points, isMonotonic: isMonotonic, .cumulative),
            isObserved: isObserved)
    }

    private func points(_ metrics: [OTLPMetric]) -> [OTLPNumberPoint] {
        guard case .sum(let points, _, .delta)? = metrics.first?.data else { return [] }
        return points
    }

    @Test func `a counter says what was counted since the last report`() {
        var deltas = OTLPDeltas(.delta)
        #expect(
            self.points(deltas.convert([self.sum([self.number(.int(5), time: 10)])])) == [
                self.number(.int(5), time: 10)
            ])
        let second = deltas.convert([
            self.sum([self.number(.int(7), time: 20), self.number(.double(1), time: 20, label: "new")])
        ])
        #expect(
            self.points(second) == [
                self.number(.int(2), start: 10, time: 20), self.number(.double(1), time: 20, label: "new"),
            ])
        #expect(
            self.points(deltas.convert([self.sum([self.number(.int(7), time: 30)])]))
                == [self.number(.int(0), start: 20, time: 30)])
    }

    @Test func `a counter that began anew is reported as a whole`() {
        for next in [
            self.number(.int(3), time: 20), self.number(.int(9), start: 15, time: 20),
            self.number(.double(9), time: 20),
        ] {
            var deltas = OTLPDeltas(.delta)
            _ = deltas.convert([self.sum([self.number(.int(5), time: 10)])])
            #expect(self.points(deltas.convert([self.sum([next])])) == [next])
        }
        var deltas = OTLPDeltas(.delta)
        _ = deltas.convert([self.sum([self.number(.int(5), time: 10)])])
        _ = deltas.convert([])
        #expect(
            self.points(deltas.convert([self.sum([self.number(.int(6), time: 30)])])) == [
                self.number(.int(6), time: 30)
            ])
    }

    @Test func `extreme counters do not stop the process`() {
        var deltas = OTLPDeltas(.delta)
        _ = deltas.convert([self.sum([self.number(.int(.min), time: 10)])])
        #expect(self.points(deltas.convert([self.sum([self.number(.int(.max), time: 20)])])).count == 1)
    }

    @Test func `what is no count stays cumulative`() {
        let down = self.sum([self.number(.int(5), time: 10)], isMonotonic: false)
        let gauge = OTLPMetric(name: "g", description: "", unit: "", data: .gauge([self.number(.int(5), time: 10)]))
        let observed = self.sum([self.number(.int(5), time: 10)], isObserved: true)
        for preference in [OTLPTemporalityPreference.delta, .lowMemory] {
            var deltas = OTLPDeltas(preference)
            #expect(deltas.convert([down, gauge]) == [down, gauge])
            #expect((deltas.convert([observed]) == [observed]) == (preference == .lowMemory))
        }
        var none = OTLPDeltas(.cumulative)
        let counter = self.sum([self.number(.int(5), time: 10)])
        _ = none.convert([counter])
        #expect(none.convert([counter]) == [counter])
    }

    @Test func `a histogram says what was observed since the last report`() {
        func histogram(_ counts: [UInt64], sum: Double, start: UInt64 = 1, time: UInt64) -> OTLPHistogramPoint {
            OTLPHistogramPoint(
                attributes: [], start: start, time: time, count: counts.reduce(0, +), sum: sum, bounds: [1, 2],
                bucketCounts: counts, exemplars: [OTLPExemplar(time: time - 5, value: .int(1))])
        }
        func metric(_ point: OTLPHistogramPoint, _ temporality: OTLPTemporality = .cumulative) -> [OTLPMetric] {
            [OTLPMetric(name: "h", description: "", unit: "s", data: .histogram([point], temporality))]
        }
        var deltas = OTLPDeltas(.delta)
        var first = histogram([1, 2, 3], sum: 10, time: 10)
        first.minimum = 0
        first.maximum = 5
        #expect(deltas.convert(metric(first)) == metric(first, .delta))
        var second = histogram([1, 4, 3], sum: 12.5, time: 20)
        second.minimum = 0
        second.maximum = 5
        #expect(deltas.convert(metric(second)) == metric(histogram([0, 2, 0], sum: 2.5, start: 10, time: 20), .delta))
        var third = histogram([1, 4, 3], sum: 12.5, time: 30)
        // The same exemplar as in the last report.
        third.exemplars = second.exemplars
        var expected = histogram([0, 0, 0], sum: 0, start: 20, time: 30)
        expected.exemplars = []
        #expect(deltas.convert(metric(third)) == metric(expected, .delta))
        let anew = histogram([0, 4, 3], sum: 1, time: 40)
        #expect(deltas.convert(metric(anew)) == metric(anew, .delta))
    }

    @Test func `an exponential histogram does so too, after its buckets were merged`() {
        func point(
            scale: Int32, offset: Int32, _ counts: [UInt64], zero: UInt64 = 0, start: UInt64 = 1, time: UInt64
        ) -> OTLPExponentialHistogramPoint {
            OTLPExponentialHistogramPoint(
                attributes: [], start: start, time: time, count: counts.reduce(zero, +), sum: 0, scale: scale,
                zeroCount: zero, positive: .init(offset: offset, counts: counts))
        }
        func metric(_ point: OTLPExponentialHistogramPoint, _ temporality: OTLPTemporality = .cumulative)
            -> [OTLPMetric]
        {
            [OTLPMetric(name: "e", description: "", unit: "s", data: .exponentialHistogram([point], temporality))]
        }
        var deltas = OTLPDeltas(.delta)
        let first = point(scale: 3, offset: -3, [1, 2, 3, 4], zero: 1, time: 10)
        #expect(deltas.convert(metric(first)) == metric(first, .delta))
        // Buckets -3...0 of scale 3 are -2, -1, -1 and 0 of scale 2.
        let second = point(scale: 2, offset: -3, [7, 1, 6, 4], zero: 3, time: 20)
        #expect(
            deltas.convert(metric(second))
                == metric(point(scale: 2, offset: -3, [7, 0, 1, 0], zero: 2, start: 10, time: 20), .delta))
        // A bucket that is gone, or a finer scale: it began anew.
        for anew in [
            point(scale: 2, offset: 0, [9, 9, 9], time: 30), point(scale: 4, offset: -3, [7, 1, 6, 4, 9], time: 30),
        ] {
            var copy = deltas
            #expect(copy.convert(metric(anew)) == metric(anew, .delta))
        }
    }
}
