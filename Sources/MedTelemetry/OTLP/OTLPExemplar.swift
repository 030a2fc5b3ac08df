// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One observation of many, with where it was made (`Exemplar`).
public struct OTLPExemplar: Sendable, Equatable {
    /// In nanoseconds since 1970.
    public var time: UInt64
    public var value: OTLPNumber
    public var traceID: TraceID?
    public var spanID: SpanID?
    /// What the metric's own attributes do not say.
    public var attributes: [OTLPAttribute]

    /// An observation.
    public init(
        time: UInt64, value: OTLPNumber, traceID: TraceID? = nil, spanID: SpanID? = nil,
        attributes: [OTLPAttribute] = []
    ) {
        self.time = time
        self.value = value
        self.traceID = traceID
        self.spanID = spanID
        self.attributes = attributes
    }
}
