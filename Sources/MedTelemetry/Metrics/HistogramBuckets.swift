// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Into which buckets a histogram sorts what it sees, and how exactly it adds it up.
public struct HistogramBuckets: Sendable, Equatable {
    /// The upper bound of each bucket, inclusive, growing; the one to +Inf is implied.
    public let bounds: [Double]
    /// Whether the values are durations in seconds: then their sum is kept in whole nanoseconds, exact for 292 years.
    public let areSeconds: Bool
    /// Whether a native (exponential) histogram is kept beside them, for scrapers that ask for one, and for
    /// OpenTelemetry. It takes 4.5 kB a series, and a third more time.
    public let hasNative: Bool

    /// Prometheus' defaults, for how long something takes: 5 ms to 10 s.
    public static let seconds = HistogramBuckets(
        bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], areSeconds: true)

    /// For what usually takes less: 0.1 ms to 10 s.
    public static let shortSeconds = HistogramBuckets(
        bounds: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
        areSeconds: true)

    /// Buckets of one's own. Bounds that are no numbers or infinite are left out, the others are sorted and told once.
    public init(bounds: [Double], areSeconds: Bool = false, hasNative: Bool = false) {
        self.bounds = Array(Set(bounds.filter(\.isFinite))).sorted()
        self.areSeconds = areSeconds
        self.hasNative = hasNative
    }

    /// The same with a native histogram beside them.
    public var withNative: HistogramBuckets {
        HistogramBuckets(bounds: self.bounds, areSeconds: self.areSeconds, hasNative: true)
    }
}
