// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Whether metrics say what happened since the start, or since the last report
/// (`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`).
public enum OTLPTemporalityPreference: String, Sendable, Equatable {
    /// Since the start.
    case cumulative
    /// Counters and histograms since the last report; what can go down, since the start.
    case delta
    /// As ``delta``, but for counters that are looked at when they are reported.
    case lowMemory = "lowmemory"
}
