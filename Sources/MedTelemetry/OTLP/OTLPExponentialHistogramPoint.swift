// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One series of a histogram with exponential buckets (`ExponentialHistogramDataPoint`).
public struct OTLPExponentialHistogramPoint: Sendable, Equatable {
    /// Buckets side by side: that at `index` holds what is in (base^index, base^(index + 1)], base = 2^(2^-scale).
    public struct Buckets: Sendable, Equatable {
        /// The index of the first bucket.
        public var offset: Int32
        public var counts: [UInt64]

        /// Buckets.
        public init(offset: Int32 = 0, counts: [UInt64] = []) {
            self.offset = offset
            self.counts = counts
        }
    }

    public var attributes: [OTLPAttribute]
    /// Since when it is counted, in nanoseconds since 1970.
    public var start: UInt64
    /// In nanoseconds since 1970.
    public var time: UInt64
    public var count: UInt64
    /// `nil` if observations may be negative.
    public var sum: Double?
    public var scale: Int32
    public var zeroCount: UInt64
    /// What is this near to zero counts as zero.
    public var zeroThreshold: Double
    public var positive: Buckets
    public var negative: Buckets
    public var minimum: Double?
    public var maximum: Double?
    public var exemplars: [OTLPExemplar]

    /// A series.
    public init(
        attributes: [OTLPAttribute], start: UInt64, time: UInt64, count: UInt64, sum: Double?, scale: Int32,
        zeroCount: UInt64, zeroThreshold: Double = 0, positive: Buckets, negative: Buckets = Buckets(),
        minimum: Double? = nil, maximum: Double? = nil, exemplars: [OTLPExemplar] = []
    ) {
        self.attributes = attributes
        self.start = start
        self.time = time
        self.count = count
        self.sum = sum
        self.scale = scale
        self.zeroCount = zeroCount
        self.zeroThreshold = zeroThreshold
        self.positive = positive
        self.negative = negative
        self.minimum = minimum
        self.maximum = maximum
        self.exemplars = exemplars
    }
}
