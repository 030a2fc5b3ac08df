// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A metric with all its series (`Metric`).
public struct OTLPMetric: Sendable, Equatable {
    /// What kind of metric it is, with its series.
    public enum Data: Sendable, Equatable {
        case gauge([OTLPNumberPoint])
        case sum([OTLPNumberPoint], isMonotonic: Bool, OTLPTemporality)
        case histogram([OTLPHistogramPoint], OTLPTemporality)
        case exponentialHistogram([OTLPExponentialHistogramPoint], OTLPTemporality)
    }

    /// By the semantic conventions of OpenTelemetry where they have one: `http.server.request.duration`.
    public var name: String
    public var description: String
    /// By UCUM: `s`, `By`, `{request}`.
    public var unit: String
    public var data: Data
    /// Whether it is looked at when it is reported, rather than counted when it happens (an asynchronous instrument).
    public var isObserved: Bool

    /// A metric.
    public init(name: String, description: String, unit: String, data: Data, isObserved: Bool = false) {
        self.name = name
        self.description = description
        self.unit = unit
        self.data = data
        self.isObserved = isObserved
    }
}
