// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a series has come to.
public enum MetricValue: Sendable, Equatable {
    /// Of a counter to which only whole numbers were added.
    case whole(UInt64)
    /// Of a gauge, or of another counter.
    case number(Double)
    /// Of a histogram.
    case histogram(HistogramSnapshot)
}
