// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A line of the log (`LogRecord`). Its texts are scrubbed before it is made.
public struct OTLPLogRecord: Sendable, Equatable {
    /// In nanoseconds since 1970.
    public var time: UInt64
    /// 1...24 (OpenTelemetry, "SeverityNumber"): trace 1, debug 5, info 9, warning 13, error 17, critical 21.
    public var severity: Int32
    /// As the logging library calls it.
    public var severityText: String
    public var body: OTLPValue
    public var attributes: [OTLPAttribute]
    /// Where it was written.
    public var trace: TraceContext?

    /// A line.
    public init(
        time: UInt64, severity: Int32, severityText: String, body: OTLPValue, attributes: [OTLPAttribute] = [],
        trace: TraceContext? = nil
    ) {
        self.time = time
        self.severity = severity
        self.severityText = severityText
        self.body = body
        self.attributes = attributes
        self.trace = trace
    }

    /// About how many bytes of memory it takes.
    var size: Int { self.attributes.reduce(160 + self.severityText.utf8.count + self.body.size) { $0 + $1.size } }
}
