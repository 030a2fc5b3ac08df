// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The buckets of a native histogram (Prometheus, "Native Histograms"), which OpenTelemetry calls exponential, of schema 3: eight to a
/// doubling, so that a quantile is wrong by less than 4.5 %.
///
/// What is at most ``zeroThreshold`` is counted as zero; what is above the last bucket, in the last. Negative values have no place here: what
/// is measured takes time or room.
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
    /// 2^(i/8) for i from 0 to 7, halved: what significands between 0.5 and 1 are compared with (`frexp`).
    private static let bounds: [Double] = (0..<8).map { 0.5 * exp2(Double($0) / 8) }

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

    func observe(_ value: Double) {
        guard value > Self.zeroThreshold else {
            self.zeros.wrappingAdd(1, ordering: .relaxed)
            return
        }
        let index = min(Self.index(of: value), Self.last) - Self.first
        self.words[index].wrappingAdd(1, ordering: .relaxed)
    }

    /// The bucket whose upper bound is the first that is not below a positive value.
    static func index(of value: Double) -> Int {
        guard value.isFinite else { return Self.last }
        var exponent: Int32 = 0
        let significand = frexp(value, &exponent)
        // How many bounds are below it; eight of them, so that counting is faster than searching.
        var below = 0
        for bound in Self.bounds where bound < significand { below += 1 }
        return below + (Int(exponent) - 1) * 8
    }

    /// What has been counted.
    struct Snapshot: Sendable, Equatable {
        var zeroCount: UInt64 = 0
        /// The index of the first of ``counts``.
        var offset = 0
        /// The buckets from the first to the last that has something in it.
        var counts: [UInt64] = []

        var total: UInt64 { self.counts.reduce(self.zeroCount, +) }
    }

    var snapshot: Snapshot {
        var snapshot = Snapshot(zeroCount: self.zeros.load(ordering: .relaxed))
        for index in 0..<Self.count {
            let count = self.words[index].load(ordering: .relaxed)
            if count == 0, snapshot.counts.isEmpty { continue }
            if snapshot.counts.isEmpty { snapshot.offset = index + Self.first }
            snapshot.counts.append(count)
        }
        while snapshot.counts.last == 0 { snapshot.counts.removeLast() }
        return snapshot
    }
}
