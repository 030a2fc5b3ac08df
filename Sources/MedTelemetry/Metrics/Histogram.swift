// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How values are distributed: how many were at most each of some bounds, and what they add up to.
///
/// Whoever observes often keeps it: an observation takes some ten nanoseconds and no memory, on however many threads at once.
public final class Histogram: Sendable {
    let buckets: HistogramBuckets
    private let words: StripedWords
    private let native: NativeBuckets?
    /// One for each bucket, the last for +Inf; empty until there is the first.
    private let exemplars = Mutex<[Exemplar?]>([])
    private var sumIndex: Int { self.buckets.bounds.count + 1 }

    init(buckets: HistogramBuckets) {
        self.buckets = buckets
        // A count for each bucket, one for +Inf, and the sum.
        self.words = StripedWords(width: buckets.bounds.count + 2)
        self.native = buckets.hasNative ? NativeBuckets() : nil
    }

    /// Takes a value. What is no number is left out, since it would make the sum one that is none; an infinity counts, and adds the largest
    /// number there is.
    public func observe(_ value: Double, exemplar: @autoclosure () -> Exemplar? = nil) {
        guard !value.isNaN else { return }
        let value = value.isFinite ? value : (value < 0 ? -Double.greatestFiniteMagnitude : .greatestFiniteMagnitude)
        let bucket = self.bucket(of: value)
        self.words.add(1 as UInt64, at: bucket)
        if self.buckets.areSeconds {
            let nanoseconds = (value * 1e9).rounded()
            self.words.add(
                UInt64(bitPattern: Int64(exactly: nanoseconds) ?? (value < 0 ? .min : .max)), at: self.sumIndex)
        } else {
            self.words.add(value, at: self.sumIndex)
        }
        self.native?.observe(value)
        if let exemplar = exemplar() { self.keep(exemplar, bucket) }
    }

    /// Takes a duration, for a histogram of seconds.
    public func observe(nanoseconds: Int64, exemplar: @autoclosure () -> Exemplar? = nil) {
        guard self.buckets.areSeconds else { return self.observe(Double(nanoseconds) / 1e9, exemplar: exemplar()) }
        let value = Double(nanoseconds) / 1e9
        let bucket = self.bucket(of: value)
        self.words.add(1 as UInt64, at: bucket)
        self.words.add(UInt64(bitPattern: nanoseconds), at: self.sumIndex)
        self.native?.observe(value)
        if let exemplar = exemplar() { self.keep(exemplar, bucket) }
    }

    @inline(__always)
    private func bucket(of value: Double) -> Int {
        let bounds = self.buckets.bounds
        // There are few, and most values are in the lower ones.
        var index = 0
        while index < bounds.count, bounds[index] < value { index += 1 }
        return index
    }

    private func keep(_ exemplar: Exemplar, _ bucket: Int) {
        self.exemplars.withLock { exemplars in
            if exemplars.isEmpty { exemplars = Array(repeating: nil, count: self.buckets.bounds.count + 1) }
            exemplars[bucket] = exemplar
        }
    }

    // MARK: - Reading

    /// How many values were in a bucket, and in none below it.
    func count(inBucket index: Int) -> UInt64 { self.words.sum(at: index) }

    /// The sum, in nanoseconds where the values are seconds.
    var wholeSum: Int64 { Int64(bitPattern: self.words.sum(at: self.sumIndex)) }

    /// What all values add up to.
    public var sum: Double {
        self.buckets.areSeconds ? Double(self.wholeSum) / 1e9 : self.words.doubleSum(at: self.sumIndex)
    }

    /// How many values there were.
    public var count: UInt64 { (0...self.buckets.bounds.count).reduce(0) { $0 + self.count(inBucket: $1) } }

    var exemplarsByBucket: [Exemplar?] { self.exemplars.withLock { $0 } }

    var nativeSnapshot: NativeBuckets.Snapshot? { self.native?.snapshot }
}
