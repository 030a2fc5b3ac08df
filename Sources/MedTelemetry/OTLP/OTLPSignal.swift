// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What is exported.
public enum OTLPSignal: String, Sendable, CaseIterable {
    case traces
    case metrics
    case logs

    /// In names of environment variables.
    var variable: String { self.rawValue.uppercased() }
    /// Below the common endpoint.
    var path: String { "v1/\(self.rawValue)" }
    /// What a collector calls those that it has not taken (`partial_success`).
    var rejectedName: String {
        switch self {
        case .traces: "rejectedSpans"
        case .metrics: "rejectedDataPoints"
        case .logs: "rejectedLogRecords"
        }
    }
}
