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

    /// Appends the line of a record, without its newline. The fields are in the order of their keys.
    func append(_ record: LogRecord, fields: inout ContiguousArray<LogField>, to line: inout LogLine) {
        let (name, color) = Self.label(for: record.level)
        line.append(timeOf: record.time)
        line.append(raw: " ")
        if self.colored { line.append(raw: color) }
        line.append(raw: name)
        if self.colored { line.append(raw: Self.reset) }
        line.append(raw: " ")
        line.appendText(record.message, limit: LogLine.Limit.message)

        if let errorType = record.errorType {
            fields.append(LogField(key: "error.type", value: .string(errorType), source: .call))
            fields.settle(hasSeveralSources: false)
        }
        guard !fields.isEmpty else { return }
        line.append(raw: " ")
        for index in fields.indices {
            let start = line.count
            line.append(raw: " ")
            if self.colored { line.append(raw: Self.dim) }
            line.appendToken(fields[index].key, limit: LogLine.Limit.escaped, scrubbing: false)
            line.append(raw: "=")
            if self.colored { line.append(raw: Self.reset) }
            switch fields[index].value {
            case .string(let text): line.appendToken(text, limit: LogLine.Limit.value)
            case .stringConvertible(let value): line.appendToken(value.description, limit: LogLine.Limit.value)
            case .dictionary, .array: line.appendJSON(fields[index].value)
            }
            if line.isFull(with: Self.truncationMark.utf8CodeUnitCount) {
                line.truncate(to: start)
                line.append(raw: Self.truncationMark)
                break
            }
        }
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
