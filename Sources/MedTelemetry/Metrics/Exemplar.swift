// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One observation of many, with the trace in which it was made, so that a slow bucket leads to a slow request (OpenMetrics 1.0, "Exemplars").
public struct Exemplar: Sendable, Equatable {
    /// The trace, 32 hexadecimal digits.
    public var traceID: String
    /// The span, 16 hexadecimal digits.
    public var spanID: String
    /// What was observed.
    public var value: Double
    /// When, in milliseconds since 1970.
    public var time: Int64

    /// An observation in a trace.
    public init(traceID: String, spanID: String, value: Double, time: Int64) {
        self.traceID = traceID
        self.spanID = spanID
        self.value = value
        self.time = time
    }
}
