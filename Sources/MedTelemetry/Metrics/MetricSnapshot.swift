// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A metric at one moment, with the values of all its series: for whoever sends metrics instead of being asked for a
/// page.
public struct MetricSnapshot: Sendable, Equatable {
    /// One combination of labels.
    public struct Series: Sendable, Equatable {
        /// What tells it from the others of the metric.
        public let labels: [MetricLabel]
        /// Since when it has been counted, in milliseconds since 1970.
        public let startTime: Int64
        /// What it has come to since then.
        public let value: MetricValue
    }

    /// What it is.
    public let description: MetricDescription
    /// In the order of the page: by their labels, the one for what was too much last.
    public let series: [Series]
}
