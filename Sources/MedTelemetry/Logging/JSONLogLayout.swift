// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// One Elastic Common Schema object a line: the fixed fields in a fixed order, then the metadata in the order of its keys.
struct JSONLogLayout: Sendable {
    /// The names that metadata cannot take; such a key moves below `labels.`.
    private static let fixedFields: Set<String> = [
        "@timestamp", "log.level", "message", "ecs.version", "service.name", "service.version", "service.environment",
        "service.node.name", "event.dataset", "log.logger", "labels.truncated",
    ]
    private static let truncationMark: StaticString = ",\"labels.truncated\":true"
    private static let end: StaticString = "}"

    /// `,"ecs.version":` to the last field of the service.
    private let service: [UInt8]
    /// `,"event.dataset":…`
    private let dataset: [UInt8]
    /// `,"log.logger":…`
    private let logger: [UInt8]

    init(label: String, service: LogService) {
        self.service =
            Self.field(",\"ecs.version\":", "8.11")
            + Self.field(",\"service.name\":", service.name)
            + Self.field(",\"service.version\":", service.version)
            + Self.field(",\"service.environment\":", service.environment)
            + (service.instanceID.map { Self.field(",\"service.node.name\":", $0) } ?? [])
        self.dataset = Self.field(",\"event.dataset\":", "\(service.name).log")
        self.logger = Self.field(",\"log.logger\":", label)
    }

    private static func field(_ name: StaticString, _ value: String) -> [UInt8] {
        var line = LogLine(expectedSize: 64)
        line.append(raw: name)
        line.appendJSON(value, limit: LogLine.Limit.name)
        return line.bytes
    }

    func line(for record: LogRecord) -> [UInt8] {
        var metadata = record.metadata
        var line = LogLine(expectedSize: 512 + record.message.utf8.count)
        line.append(raw: "{\"@timestamp\":\"")
        line.append(LogTimestamp(unixMilliseconds: record.time), withDate: true)
        line.append(raw: "\",\"log.level\":\"")
        line.append(raw: Self.name(of: record.level))
        line.append(raw: "\",\"message\":")
        line.appendJSON(record.message, limit: LogLine.Limit.message)
        line.append(raw: self.service)
        if let index = metadata.firstIndex(where: { $0.key == "event.dataset" }),
            let dataset = metadata[index].value.text
        {
            metadata.remove(at: index)
            line.append(raw: ",\"event.dataset\":")
            line.appendJSON(dataset, limit: LogLine.Limit.name)
        } else {
            line.append(raw: self.dataset)
        }
        line.append(raw: self.logger)
        if let errorType = record.errorType {
            line.append(raw: ",\"error.type\":")
            line.appendJSON(errorType, limit: LogLine.Limit.name)
        }
        Self.append(metadata, to: &line, hasErrorType: record.errorType != nil)
        line.append(raw: Self.end)
        return line.bytes
    }

    /// Appends the fields in the order of their names, as long as there is room.
    private static func append(
        _ metadata: [(key: String, value: Logger.MetadataValue)],
        to line: inout LogLine,
        hasErrorType: Bool
    ) {
        var fields = metadata
        for index in fields.indices {
            let key = fields[index].key
            guard Self.fixedFields.contains(key) || (hasErrorType && key == "error.type") else { continue }
            // Until nobody else has that name.
            var label = key
            repeat { label = "labels.\(label)" } while metadata.contains { $0.key == label }
            fields[index].key = label
        }
        fields.sort { $0.key < $1.key }
        let ending = Self.truncationMark.utf8CodeUnitCount + Self.end.utf8CodeUnitCount
        for (name, value) in fields {
            let start = line.bytes.count
            line.append(raw: ",")
            line.appendJSON(name, limit: LogLine.Limit.escaped)
            line.append(raw: ":")
            line.appendJSON(value)
            if line.isFull(with: ending) {
                line.truncate(to: start)
                line.append(raw: Self.truncationMark)
                return
            }
        }
    }

    private static func name(of level: Logger.Level) -> StaticString {
        switch level {
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        case .critical: "critical"
        }
    }
}

extension Logger.MetadataValue {
    /// The value, if it is a text.
    fileprivate var text: String? {
        switch self {
        case .string(let text): text
        case .stringConvertible(let value): value.description
        case .dictionary, .array: nil
        }
    }
}
