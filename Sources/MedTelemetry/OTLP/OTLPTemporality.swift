// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a number of a metric counts (`AggregationTemporality`).
public enum OTLPTemporality: Int32, Sendable, Equatable {
    /// What happened since the last report.
    case delta = 1
    /// What happened since the start.
    case cumulative = 2
}
