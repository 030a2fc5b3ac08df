// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The counts of an exponential histogram: what Prometheus calls native, and OpenTelemetry exponential.
///
/// Prometheus numbers buckets by their upper bound: index i reaches from 2^((i-1)/2^scale), exclusive, to
/// 2^(i/2^scale). OpenTelemetry numbers them by their lower bound (metrics data model, "ExponentialHistogram"), so that
/// there ``offset`` is one less.
public struct ExponentialBuckets: Sendable, Equatable {
    /// How many buckets there are to a doubling, as a power of two (`schema` of Prometheus).
    public var scale: Int { NativeBuckets.schema }
    /// What is at most that is counted as zero: 2⁻³⁰, a nanosecond.
    public var zeroThreshold: Double { NativeBuckets.zeroThreshold }
    /// How many values were at most ``zeroThreshold``, negative ones included.
    public internal(set) var zeroCount: UInt64 = 0
    /// Prometheus' index of the first of ``counts``.
    public internal(set) var offset = 0
    /// The buckets from the first to the last that has something in it.
    public internal(set) var counts: [UInt64] = []

    /// How many values there were.
    public var count: UInt64 { self.counts.reduce(self.zeroCount, +) }
}
