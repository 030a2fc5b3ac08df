// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One series of a histogram with buckets of its own choice (`HistogramDataPoint`).
public struct OTLPHistogramPoint: Sendable, Equatable {
    public var attributes: [OTLPAttribute]
    /// Since when it is counted, in nanoseconds since 1970.
    public var start: UInt64
    /// In nanoseconds since 1970.
    public var time: UInt64
    public var count: UInt64
    /// `nil` if observations may be negative.
    public var sum: Double?
    /// The upper bounds of the buckets, ascending, without infinity.
    public var bounds: [Double]
    /// How many observations each bucket has, not those of the buckets below; one more than bounds.
    public var bucketCounts: [UInt64]
    public var minimum: Double?
    public var maximum: Double?
    public var exemplars: [OTLPExemplar]

    /// A series.
    public init(
        attributes: [OTLPAttribute], start: UInt64, time: UInt64, count: UInt64, sum: Double?, bounds: [Double],
        bucketCounts: [UInt64], minimum: Double? = nil, maximum: Double? = nil, exemplars: [OTLPExemplar] = []
    ) {
        self.attributes = attributes
        self.start = start
        self.time = time
        self.count = count
        self.sum = sum
        self.bounds = bounds
        self.bucketCounts = bucketCounts
        self.minimum = minimum
        self.maximum = maximum
        self.exemplars = exemplars
    }
}
