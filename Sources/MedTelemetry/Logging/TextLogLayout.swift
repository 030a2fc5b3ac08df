// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// A line for people: `05:34:00.000 NOTICE  Draining  http.inFlight=3`, in UTC.
struct TextLogLayout: Sendable {
    private static let truncationMark: StaticString = " labels.truncated=true"
    private static let reset: StaticString = "\u{1B}[0m"
    private static let dim: StaticString = "\u{1B}[2m"

    /// Whether the reader is a terminal that understands colors.
    let colored: Bool

    func line(for record: LogRecord) -> [UInt8] {
        let (name, color) = Self.label(for: record.level)
        var line = LogLine(expectedSize: 256 + record.message.utf8.count)
        line.append(LogTimestamp(unixMilliseconds: record.time), withDate: false)
        line.append(raw: " ")
        if self.colored { line.append(raw: color) }
        line.append(raw: name)
        if self.colored { line.append(raw: Self.reset) }
        line.append(raw: " ")
        line.appendText(record.message, limit: LogLine.Limit.message)

        var metadata = record.metadata
        if let errorType = record.errorType { metadata.append(("error.type", .string(errorType))) }
        guard !metadata.isEmpty else { return line.bytes }
        line.append(raw: " ")
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let start = line.bytes.count
            line.append(raw: " ")
            if self.colored { line.append(raw: Self.dim) }
            line.appendToken(key, limit: LogLine.Limit.escaped)
            line.append(raw: "=")
            if self.colored { line.append(raw: Self.reset) }
            switch value {
            case .string(let text): line.appendToken(text, limit: LogLine.Limit.value)
            case .stringConvertible(let value): line.appendToken(value.description, limit: LogLine.Limit.value)
            case .dictionary, .array: line.appendJSON(value)
            }
            if line.isFull(with: Self.truncationMark.utf8CodeUnitCount) {
                line.truncate(to: start)
                line.append(raw: Self.truncationMark)
                break
            }
        }
        return line.bytes
    }

    /// Padded, so that the messages of all but the rarest level begin in one column.
    private static func label(for level: Logger.Level) -> (name: StaticString, color: StaticString) {
        switch level {
        case .trace: ("TRACE  ", "\u{1B}[2m")
        case .debug: ("DEBUG  ", "\u{1B}[2m")
        case .info: ("INFO   ", "\u{1B}[32m")
        case .notice: ("NOTICE ", "\u{1B}[36m")
        case .warning: ("WARNING", "\u{1B}[33m")
        case .error: ("ERROR  ", "\u{1B}[31m")
        case .critical: ("CRITICAL", "\u{1B}[1;31m")
        }
    }
}
