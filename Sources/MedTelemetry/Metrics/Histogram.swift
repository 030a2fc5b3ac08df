// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How values are distributed: how many were at most each of some bounds, and what they add up to.
///
/// Whoever observes often keeps it: an observation takes some ten nanoseconds and no memory, on however many threads
/// at once.
public final class Histogram: Sendable {
    /// What all values add up to.
    enum Sum: Equatable {
        /// Exactly, of durations.
        case nanoseconds(Int128)
        case number(Double)

        /// The sum; in seconds where it is one of durations.
        var value: Double {
            switch self {
            case .nanoseconds(let sum): Double(sum) / 1e9
            case .number(let sum): sum
            }
        }
    }

    /// What seldom changes.
    private struct Rare {
        /// One for each bucket, the last for +Inf; empty until there is the first.
        var exemplars: [Exemplar?] = []
        /// The sum of the durations as of the last look at it. The words have room for 584 years, and begin anew then.
        var nanoseconds: Int128 = 0
    }

    /// What has been seen, and does not show in a sum of finite numbers.
    private enum Seen {
        static let infinity: UInt8 = 1
        static let negativeInfinity: UInt8 = 2
        static let negative: UInt8 = 4
    }

    let buckets: HistogramBuckets
    private let bounds: [Double]
    private let boundCount: Int
    private let areSeconds: Bool
    private let sumIndex: Int
    private let words: StripedWords
    /// The native histogram, if there is one.
    let native: NativeBuckets?
    private let refused: (@Sendable () -> Void)?
    private let seen = Atomic<UInt8>(0)
    private let rare = Mutex(Rare())

    /// A histogram that calls `refused` for what cannot be observed.
    init(buckets: HistogramBuckets, refused: (@Sendable () -> Void)? = nil) {
        self.buckets = buckets
        self.bounds = buckets.bounds
        self.boundCount = buckets.bounds.count
        self.areSeconds = buckets.areSeconds
        self.sumIndex = buckets.bounds.count + 1
        // A count for each bucket, one for +Inf, and the sum.
        self.words = StripedWords(width: buckets.bounds.count + 2)
        self.native = buckets.hasNative ? NativeBuckets() : nil
        self.refused = refused
    }

    // MARK: - Observing

    /// Takes a value.
    ///
    /// What is no number is left out, since the sum would be none from then on, and counted in
    /// `medbuilder_metric_values_refused_total` (Prometheus' client for Java leaves it out, too). An infinity is in the
    /// outermost bucket, and the sum is infinite from then on (as in all clients). Of durations, one that is negative
    /// counts as 0: a clock was set back.
    public func observe(_ value: Double, exemplar: @autoclosure () -> Exemplar? = nil) {
        guard !value.isNaN else {
            self.refused?()
            return
        }
        let bucket: Int
        if self.areSeconds {
            let value = max(0, value)
            let nanoseconds = value * 1e9 + 0.5
            bucket = self.count(value)
            if nanoseconds < 0x1p63 {
                self.words.add(UInt64(nanoseconds), at: self.sumIndex, looks: false)
            } else {
                self.seen.bitwiseOr(Seen.infinity, ordering: .relaxed)
            }
        } else {
            if value < 0 { self.seen.bitwiseOr(Seen.negative, ordering: .relaxed) }
            bucket = self.count(value)
            if value.isFinite {
                self.words.add(value, at: self.sumIndex)
            } else {
                self.seen.bitwiseOr(value < 0 ? Seen.negativeInfinity : Seen.infinity, ordering: .relaxed)
            }
        }
        if let exemplar = exemplar() { self.keep(exemplar, value, bucket) }
    }

    /// Takes a duration, for a histogram of seconds. One that is negative counts as 0: a clock was set back.
    public func observe(nanoseconds: Int64, exemplar: @autoclosure () -> Exemplar? = nil) {
        guard self.areSeconds else { return self.observe(Double(nanoseconds) / 1e9, exemplar: exemplar()) }
        let nanoseconds = max(0, nanoseconds)
        let value = Double(nanoseconds) / 1e9
        let bucket = self.count(value)
        self.words.add(UInt64(bitPattern: nanoseconds), at: self.sumIndex, looks: false)
        if let exemplar = exemplar() { self.keep(exemplar, value, bucket) }
    }

    /// Counts a value in its bucket, and says which it is.
    @inline(__always)
    private func count(_ value: Double) -> Int {
        // There are few, and comparing with all of them costs less than a branch that is guessed wrong: a difference
        // has the sign bit set where the bound is below the value.
        var bucket = 0
        for index in 0..<self.boundCount {
            bucket &+= Int(truncatingIfNeeded: (self.bounds[index] - value).bitPattern >> 63)
        }
        self.words.add(1 as UInt64, at: bucket)
        self.native?.observe(value)
        return bucket
    }

    private func keep(_ exemplar: Exemplar, _ value: Double, _ bucket: Int) {
        guard exemplar.isUsable else { return }
        var exemplar = exemplar
        exemplar.value = value
        self.rare.withLock { rare in
            if rare.exemplars.isEmpty { rare.exemplars = Array(repeating: nil, count: self.sumIndex) }
            rare.exemplars[bucket] = exemplar
        }
    }

    // MARK: - Reading

    /// How many values were in a bucket, and in none below it.
    func count(inBucket index: Int) -> UInt64 { self.words.sum(at: index) }

    /// What all values add up to.
    var total: Sum {
        let seen = self.seen.load(ordering: .relaxed)
        switch (seen & Seen.infinity != 0, seen & Seen.negativeInfinity != 0) {
        case (true, true): return .number(.nan)
        case (true, false): return .number(.infinity)
        case (false, true): return .number(-.infinity)
        case (false, false): break
        }
        guard self.areSeconds else { return .number(self.words.doubleSum(at: self.sumIndex)) }
        return .nanoseconds(
            self.rare.withLock { rare in
                // What has come since then is right, even if the words have begun anew in between.
                let sum = self.words.sum(at: self.sumIndex)
                rare.nanoseconds += Int128(sum &- UInt64(truncatingIfNeeded: rare.nanoseconds))
                return rare.nanoseconds
            })
    }

    /// Whether the sum only grows. OpenMetrics has no sum of others ("Negative threshold buckets").
    var isMonotonic: Bool {
        self.seen.load(ordering: .relaxed) & (Seen.negative | Seen.negativeInfinity) == 0
            && self.buckets.bounds.first ?? 0 >= 0
    }

    /// What all values add up to.
    public var sum: Double { self.total.value }

    /// How many values there were.
    public var count: UInt64 { (0...self.buckets.bounds.count).reduce(0) { $0 + self.count(inBucket: $1) } }

    /// The last exemplar of each bucket; empty if there was never one.
    var exemplars: [Exemplar?] { self.rare.withLock { $0.exemplars } }

    /// Everything that can be read of it, consistent in itself: the count is that of the buckets.
    var snapshot: HistogramSnapshot {
        HistogramSnapshot(
            bounds: self.buckets.bounds, counts: (0...self.buckets.bounds.count).map { self.count(inBucket: $0) },
            sum: self.sum, isMonotonic: self.isMonotonic, exemplars: self.exemplars.compactMap(\.self),
            exponential: self.native?.snapshot)
    }
}
