// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The buckets of a native histogram (Prometheus, "Native Histograms"), which OpenTelemetry calls exponential, of
/// schema 3: eight to a doubling, so that a quantile is wrong by less than 4.5 %.
///
/// What is at most ``zeroThreshold`` is counted as zero; what is above the last bucket, in the last. Negative values
/// have no place here: what is measured takes time or room.
final class NativeBuckets: @unchecked Sendable {
    // Unchecked: the memory behind the pointer holds atomics alone, and is freed when nobody has this object any more.
    static let schema = 3
    /// 2⁻³⁰, about a nanosecond.
    static let zeroThreshold = 0x1p-30
    /// The index of the first bucket, whose lower bound the threshold is: index i reaches from 2^((i-1)/8) to 2^(i/8).
    private static let first = -30 * 8 + 1
    /// 2⁴⁰: a terabyte, or 35,000 years.
    private static let last = 40 * 8
    static let count = last - first + 1

    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let zeros = Atomic<UInt64>(0)

    init() {
        self.words = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (self.words + index).initialize(to: Atomic(0)) }
    }

    deinit {
        self.words.deinitialize(count: Self.count)
        self.words.deallocate()
    }

    @inline(__always)
    func observe(_ value: Double) {
        guard value > Self.zeroThreshold else {
            self.zeros.wrappingAdd(1, ordering: .relaxed)
            return
        }
        let index = min(Self.index(of: value), Self.last) - Self.first
        self.words[index].wrappingAdd(1, ordering: .relaxed)
    }

    /// The bucket whose upper bound is the first that is not below a value, which is positive and not subnormal.
    @inline(__always)
    static func index(of value: Double) -> Int {
        let significand = value.significandBitPattern
        // How many of 2^(j/8), j from 0 to 7, are below what the value is without its exponent. Their bits are
        // compared, since that is faster than searching.
        let below =
            (significand > 0 ? 1 : 0) + (significand > 0x172B_83C7_D517B ? 1 : 0)
            + (significand > 0x306F_E0A3_1B715 ? 1 : 0) + (significand > 0x4BFD_AD53_62A27 ? 1 : 0)
            + (significand > 0x6A09_E667_F3BCD ? 1 : 0) + (significand > 0x8ACE_5422_AA0DB ? 1 : 0)
            + (significand > 0xAE89_F995_AD3AD ? 1 : 0) + (significand > 0xD581_8DCF_BA487 ? 1 : 0)
        return (Int(value.exponentBitPattern) - 1023) * 8 + below
    }

    // MARK: - Reading

    /// How many values were at most ``zeroThreshold``.
    var zeroCount: UInt64 { self.zeros.load(ordering: .relaxed) }

    /// The buckets from the first to the last that has something in it, by Prometheus' index.
    var range: ClosedRange<Int>? {
        guard let first = (Self.first...Self.last).first(where: { self.count(at: $0) > 0 }),
            let last = (first...Self.last).last(where: { self.count(at: $0) > 0 })
        else { return nil }
        return first...last
    }

    /// How many values were in the bucket of an index, which must be one of ``range``.
    func count(at index: Int) -> UInt64 { self.words[index - Self.first].load(ordering: .relaxed) }

    /// What has been counted.
    var snapshot: ExponentialBuckets {
        var snapshot = ExponentialBuckets()
        snapshot.zeroCount = self.zeroCount
        guard let range = self.range else { return snapshot }
        snapshot.offset = range.lowerBound
        snapshot.counts = range.map { self.count(at: $0) }
        return snapshot
    }
}
