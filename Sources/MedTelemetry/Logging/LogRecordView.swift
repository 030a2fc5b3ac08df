// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging

/// A record as a sink of a ``StructuredLogHandler`` sees it: what is in its line, scrubbed and cut in the same way.
public struct LogRecordView: Sendable {
    /// Milliseconds since 1970.
    public let unixMilliseconds: Int64
    /// How severe it is.
    public let level: Logger.Level
    /// The name of the logger.
    public let label: String
    /// At most 16 KiB, and `…[cut]` if it was longer.
    public let message: String
    /// The type of the error that came with the record.
    public let errorType: String?
    /// In the order of the keys, every key once. Texts have at most 4 KiB; below eight levels there is an ellipsis.
    public let metadata: [(key: String, value: Logger.MetadataValue)]

    init(_ record: LogRecord, label: String, fields: ContiguousArray<LogField>) {
        self.unixMilliseconds = record.time
        self.level = record.level
        self.label = label
        self.message = Self.text(record.message, limit: LogLine.Limit.message)
        self.errorType = record.errorType
        self.metadata = fields.map { ($0.key, Self.value($0.value, depth: 1)) }
    }

    private static func text(_ text: String, limit: Int) -> String {
        let (text, isCut) = text.cut(to: limit, scrubbing: true)
        return isCut ? text + "…[cut]" : text
    }

    private static func value(_ value: Logger.MetadataValue, depth: Int) -> Logger.MetadataValue {
        switch value {
        case .string(let text): .string(self.text(text, limit: LogLine.Limit.value))
        case .stringConvertible(let value): .string(self.text(value.description, limit: LogLine.Limit.value))
        case .dictionary where depth > LogLine.maximumDepth, .array where depth > LogLine.maximumDepth: .string("…")
        case .dictionary(let fields): .dictionary(fields.mapValues { self.value($0, depth: depth + 1) })
        case .array(let values): .array(values.map { self.value($0, depth: depth + 1) })
        }
    }
}
