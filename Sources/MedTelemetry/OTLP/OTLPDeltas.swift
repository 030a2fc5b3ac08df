// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Makes what happened since the last report of what happened since the start. It keeps the last report.
struct OTLPDeltas: Sendable {
    private struct Series: Hashable {
        let metric: String
        let attributes: [OTLPAttribute]
    }

    private struct Last {
        var numbers: [Series: OTLPNumberPoint] = [:]
        var histograms: [Series: OTLPHistogramPoint] = [:]
        var exponentials: [Series: OTLPExponentialHistogramPoint] = [:]

        /// Takes the points of a metric for the next time, and makes of each what it is more than the last one.
        mutating func take<Point: DeltaPoint>(
            _ points: [Point], of metric: String, after last: Last, _ kind: WritableKeyPath<Last, [Series: Point]>
        ) -> [Point] {
            points.map { point in
                let series = Series(metric: metric, attributes: point.attributes)
                self[keyPath: kind][series] = point
                return point.since(last[keyPath: kind][series])
            }
        }
    }

    private let preference: OTLPTemporalityPreference
    private var last = Last()

    init(_ preference: OTLPTemporalityPreference) { self.preference = preference }

    /// The metrics as they are wanted. What is no cumulative count stays as it is; series that are gone are forgotten.
    mutating func convert(_ metrics: [OTLPMetric]) -> [OTLPMetric] {
        guard self.preference != .cumulative else { return metrics }
        var next = Last()
        let converted = metrics.map { metric in
            var metric = metric
            switch metric.data {
            // What can go down is always reported as a whole.
            case .sum(let points, isMonotonic: true, .cumulative)
            where !(metric.isObserved && self.preference == .lowMemory):
                let deltas = next.take(points, of: metric.name, after: self.last, \.numbers)
                metric.data = .sum(deltas, isMonotonic: true, .delta)
            case .histogram(let points, .cumulative):
                metric.data = .histogram(next.take(points, of: metric.name, after: self.last, \.histograms), .delta)
            case .exponentialHistogram(let points, .cumulative):
                let deltas = next.take(points, of: metric.name, after: self.last, \.exponentials)
                metric.data = .exponentialHistogram(deltas, .delta)
            default: break
            }
            return metric
        }
        self.last = next
        return converted
    }
}

/// A point that can be told as what was counted since an earlier one.
private protocol DeltaPoint {
    var attributes: [OTLPAttribute] { get }

    /// What was counted since then; all of it if the series is new, or began anew.
    func since(_ last: Self?) -> Self
}

/// Counts minus earlier counts; `nil` if one is smaller than before: the series began anew.
private func difference(_ counts: [UInt64], _ earlier: [UInt64]) -> [UInt64]? {
    guard counts.count == earlier.count else { return nil }
    var differences: [UInt64] = []
    for (count, before) in zip(counts, earlier) {
        guard count >= before else { return nil }
        differences.append(count - before)
    }
    return differences
}

extension [OTLPExemplar] {
    /// Those that were not in the last report.
    fileprivate func since(_ time: UInt64) -> [OTLPExemplar] { self.filter { $0.time > time } }
}

extension OTLPNumberPoint: DeltaPoint {
    fileprivate func since(_ last: OTLPNumberPoint?) -> OTLPNumberPoint {
        guard let last, last.start == self.start else { return self }
        var point = self
        switch (self.value, last.value) {
        case (.int(let value), .int(let before)) where value >= before: point.value = .int(value &- before)
        case (.double(let value), .double(let before)) where value >= before: point.value = .double(value - before)
        default: return self
        }
        point.start = last.time
        point.exemplars = self.exemplars.since(last.time)
        return point
    }
}

extension OTLPHistogramPoint: DeltaPoint {
    fileprivate func since(_ last: OTLPHistogramPoint?) -> OTLPHistogramPoint {
        guard let last, last.start == self.start, last.bounds == self.bounds, self.count >= last.count,
            let counts = difference(self.bucketCounts, last.bucketCounts)
        else { return self }
        var point = self
        point.count = self.count - last.count
        point.bucketCounts = counts
        point.sum = self.sum.flatMap { sum in last.sum.map { sum - $0 } }
        // Of the whole time, not of the time since.
        point.minimum = nil
        point.maximum = nil
        point.start = last.time
        point.exemplars = self.exemplars.since(last.time)
        return point
    }
}

extension OTLPExponentialHistogramPoint: DeltaPoint {
    fileprivate func since(_ last: OTLPExponentialHistogramPoint?) -> OTLPExponentialHistogramPoint {
        guard let last, last.start == self.start, self.scale <= last.scale, self.zeroThreshold == last.zeroThreshold,
            self.count >= last.count, self.zeroCount >= last.zeroCount,
            let positive = self.positive.since(last.positive, scale: Int64(last.scale) - Int64(self.scale)),
            let negative = self.negative.since(last.negative, scale: Int64(last.scale) - Int64(self.scale))
        else { return self }
        var point = self
        point.count = self.count - last.count
        point.zeroCount = self.zeroCount - last.zeroCount
        point.positive = positive
        point.negative = negative
        point.sum = self.sum.flatMap { sum in last.sum.map { sum - $0 } }
        point.minimum = nil
        point.maximum = nil
        point.start = last.time
        point.exemplars = self.exemplars.since(last.time)
        return point
    }
}

extension OTLPExponentialHistogramPoint.Buckets {
    /// These minus earlier ones, whose scale was larger by `scale`: so many times two of them are one bucket now.
    fileprivate func since(_ last: Self, scale: Int64) -> Self? {
        var earlier = [UInt64](repeating: 0, count: self.counts.count)
        for (index, count) in last.counts.enumerated() where count > 0 {
            let bucket = Int((Int64(last.offset) + Int64(index)) >> scale - Int64(self.offset))
            guard earlier.indices.contains(bucket) else { return nil }
            earlier[bucket] &+= count
        }
        return difference(self.counts, earlier).map { Self(offset: self.offset, counts: $0) }
    }
}
