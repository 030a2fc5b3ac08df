// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A number of a metric.
public enum OTLPNumber: Sendable, Hashable {
    case int(Int64)
    case double(Double)
}
