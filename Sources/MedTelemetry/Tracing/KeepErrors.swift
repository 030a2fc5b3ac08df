// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Whether the spans of a trace that is not sampled are exported nevertheless when it ends in an error of the server.
public enum KeepErrors: String, Sendable, Equatable {
    /// Never.
    case never
    /// If this process decided not to sample the trace. What a caller decided is respected.
    case own
    /// Also if the caller decided so.
    case always
}
