// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

extension OTLPLogRecord {
    /// A record of the log, scrubbed as it is in its line.
    public init(_ view: LogRecordView) {
        var attributes = [OTLPAttribute("log.logger", .string(view.label))]
        if let type = view.errorType { attributes.append(OTLPAttribute("exception.type", .string(type))) }
        for (key, value) in view.metadata where key != "trace.id" && key != "span.id" {
            attributes.append(OTLPAttribute(conventional: key, "\(value)"))
        }
        self.init(
            time: UInt64(clamping: view.unixMilliseconds) * 1_000_000,
            severity: Self.severity(of: view.level),
            severityText: view.level.rawValue,
            body: .string(view.message),
            attributes: attributes,
            trace: Self.trace(of: view)
        )
    }

    private static func trace(of view: LogRecordView) -> TraceContext? {
        func text(_ key: String) -> String? { view.metadata.first { $0.key == key }.map { "\($0.value)" } }
        guard let trace = text("trace.id").flatMap({ TraceID($0) }), let span = text("span.id").flatMap({ SpanID($0) })
        else {
            return nil
        }
        return TraceContext(traceID: trace, spanID: span)
    }

    private static func severity(of level: Logger.Level) -> Int32 {
        switch level {
        case .trace: 1
        case .debug: 5
        case .info: 9
        case .notice: 10
        case .warning: 13
        case .error: 17
        case .critical: 21
        }
    }
}
