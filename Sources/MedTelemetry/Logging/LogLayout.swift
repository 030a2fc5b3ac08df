// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// Turns a record into the bytes of its line, for one logger in one format.
enum LogLayout: Sendable {
    case json(JSONLogLayout)
    case text(TextLogLayout)

    init(format: LogFormat, label: String, service: LogService, colored: Bool) {
        switch format {
        case .json: self = .json(JSONLogLayout(label: label, service: service))
        case .text: self = .text(TextLogLayout(colored: colored))
        }
    }

    /// Appends the line, without its newline. The fields are in the order of their keys.
    @inline(__always)
    func append(
        _ record: LogRecord,
        fields: inout ContiguousArray<LogField>,
        to line: inout LogLine,
        scratch: LogScratch
    ) {
        switch self {
        case .json(let layout): layout.append(record, fields: &fields, to: &line, scratch: scratch)
        case .text(let layout): layout.append(record, fields: &fields, to: &line)
        }
    }

    /// The line of a record that brings its own metadata, without its newline: for the few lines that the log itself has
    /// to say.
    func line(for record: LogRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        LogScratch.withCurrent { scratch in
            var fields = ContiguousArray(
                record.metadata.map { LogField(key: $0.key, value: $0.value, source: .call) })
            fields.settle(hasSeveralSources: false)
            var line = LogLine(buffer: scratch.buffer)
            self.append(record, fields: &fields, to: &line, scratch: scratch)
            bytes = Array(line.bytes)
        }
        return bytes
    }
}
