// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a metric is, for the page and for the documents.
public struct MetricDescription: Sendable, Equatable {
    /// What kind of numbers it has.
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// Its name, without the `_total` of a counter.
    public let name: String
    /// What kind of numbers it has.
    public let kind: Kind
    /// What it is, in one sentence.
    public let help: String
    /// The names of its labels, in the order of their values; nil if each series has its own.
    public let labels: [String]?
    /// The buckets of a histogram.
    public let buckets: HistogramBuckets?

    /// The name of what is counted, as a page shows it.
    public var sampleName: String { self.kind == .counter ? self.name + "_total" : self.name }

    /// The unit, where the name ends in one of the base units (OpenMetrics 1.0, "Units and Base Units"): `seconds`,
    /// `bytes`.
    public var unit: String? { Self.units.first { self.name.hasSuffix("_" + $0) } }

    private static let units = [
        "seconds", "bytes", "ratio", "celsius", "joules", "grams", "meters", "volts", "amperes",
    ]
}
