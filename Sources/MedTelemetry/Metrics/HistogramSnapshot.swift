// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a histogram has counted since its series began.
public struct HistogramSnapshot: Sendable, Equatable {
    /// The upper bound of each bucket, inclusive, growing; the one to +Inf is implied.
    public let bounds: [Double]
    /// How many values were in each bucket and in none below it; one more than there are bounds.
    public let counts: [UInt64]
    /// What all values add up to; infinite if one was.
    public let sum: Double
    /// Whether no value was negative, so that the sum only grows.
    public let isMonotonic: Bool
    /// At most one of each bucket, in their order.
    public let exemplars: [Exemplar]
    /// The exponential histogram of the same values, if the metric has one. Its count may be some values ahead of or
    /// behind ``counts``.
    public let exponential: ExponentialBuckets?

    /// How many values there were.
    public var count: UInt64 { self.counts.reduce(0, +) }
}
