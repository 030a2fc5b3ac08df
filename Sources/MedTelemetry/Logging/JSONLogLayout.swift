// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// One Elastic Common Schema object a line: the fixed fields in a fixed order, then the metadata in the order of its keys.
struct JSONLogLayout: Sendable {
    private static let truncationMark: StaticString = ",\"labels.truncated\":true"
    private static let end: StaticString = "}"

    /// `,"ecs.version":` to the last field of the service.
    private let service: [UInt8]
    /// The same, then `,"event.dataset":…` and `,"log.logger":…`.
    private let fixed: [UInt8]
    /// `,"log.logger":…`
    private let logger: [UInt8]

    init(label: String, service: LogService) {
        let fields =
            Self.field(",\"ecs.version\":", "8.11")
            + Self.field(",\"service.name\":", service.name)
            + Self.field(",\"service.version\":", service.version)
            + Self.field(",\"service.environment\":", service.environment)
            + (service.instanceID.map { Self.field(",\"service.node.name\":", $0) } ?? [])
        let logger = Self.field(",\"log.logger\":", label)
        self.service = fields
        self.fixed = fields + Self.field(",\"event.dataset\":", "\(service.name).log") + logger
        self.logger = logger
    }

    private static func field(_ name: StaticString, _ value: String) -> [UInt8] {
        let scratch = LogScratch()
        var line = LogLine(buffer: scratch.buffer)
        line.append(raw: name)
        line.appendJSON(value, limit: LogLine.Limit.name, scrubbing: false)
        return withExtendedLifetime(scratch) { Array(line.bytes) }
    }

    /// Appends the line of a record, without its newline.
    ///
    /// - Parameter fields: The metadata, in the order of its keys, each of them once.
    func append(
        _ record: LogRecord,
        fields: inout ContiguousArray<LogField>,
        to line: inout LogLine,
        scratch: LogScratch
    ) {
        Self.appendStart(record.time, record.level, to: &line, scratch: scratch)
        line.appendJSON(record.message, limit: LogLine.Limit.message)
        if let dataset = Self.moveAside(&fields, hasErrorType: record.errorType != nil) {
            self.appendNames(to: &line) { $0.appendJSON(dataset, limit: LogLine.Limit.name) }
        } else {
            line.append(raw: self.fixed)
        }
        self.appendErrorType(of: record, to: &line)
        for index in fields.indices {
            let start = line.count
            line.append(UInt8(ascii: ","))
            line.appendJSON(fields[index].key, limit: LogLine.Limit.escaped, scrubbing: false)
            line.append(UInt8(ascii: ":"))
            line.appendJSON(fields[index].value)
            guard Self.fits(&line, since: start) else { break }
        }
        line.append(raw: Self.end)
    }

    /// The same with fields that are written already.
    func append(
        _ record: LogRecord,
        fragments: borrowing LogFragments,
        to line: inout LogLine,
        scratch: LogScratch
    ) {
        Self.appendStart(record.time, record.level, to: &line, scratch: scratch)
        line.appendJSON(record.message, limit: LogLine.Limit.message)
        if let dataset = fragments.dataset {
            self.appendNames(to: &line) { $0.append(fragments.bytes(dataset)) }
        } else {
            line.append(raw: self.fixed)
        }
        self.appendErrorType(of: record, to: &line)
        fragments.forEach { fragment in
            // Lent by the fragments for this call.
            let start = line.count
            line.append(fragment)
            return Self.fits(&line, since: start)
        }
        line.append(raw: Self.end)
    }

    // MARK: Prepared records

    /// What stands between the level of a record and its fields, of one that says the same sentence each time.
    func middle(message: String, dataset: String) -> [UInt8] {
        let scratch = LogScratch()
        var line = LogLine(buffer: scratch.buffer)
        line.appendJSON(message, limit: LogLine.Limit.message)
        self.appendNames(to: &line) { $0.appendJSON(dataset, limit: LogLine.Limit.name) }
        return withExtendedLifetime(scratch) { Array(line.bytes) }
    }

    /// Appends the line of a record, without its newline, whose fields `body` writes.
    @inline(__always)
    static func append(
        time: Int64,
        level: Logger.Level,
        middle: [UInt8],
        to line: consuming LogLine,
        scratch: LogScratch,
        fields body: (inout PreparedLogFields) -> Void
    ) -> LogLine? {
        self.appendStart(time, level, to: &line, scratch: scratch)
        line.append(raw: middle)
        var fields = PreparedLogFields(line: line)
        body(&fields)
        var line = fields.takeLine()
        line?.append(raw: Self.end)
        return line
    }

    // MARK: Parts

    /// Everything before the message.
    @inline(__always)
    private static func appendStart(
        _ time: Int64, _ level: Logger.Level, to line: inout LogLine, scratch: LogScratch
    ) {
        line.append(raw: "{\"@timestamp\":\"")
        line.append(unixMilliseconds: time, cachedIn: scratch)
        line.append(raw: self.head(of: level))
    }

    /// The service, a data set of the record's own, and the logger.
    @inline(__always)
    private func appendNames(to line: inout LogLine, dataset: (inout LogLine) -> Void) {
        line.append(raw: self.service)
        line.append(raw: ",\"event.dataset\":")
        dataset(&line)
        line.append(raw: self.logger)
    }

    @inline(__always)
    private func appendErrorType(of record: LogRecord, to line: inout LogLine) {
        guard let errorType = record.errorType else { return }
        line.append(raw: ",\"error.type\":")
        line.appendJSON(errorType, limit: LogLine.Limit.name, scrubbing: false)
    }

    /// Takes back what has no room, and says so in its place.
    @inline(__always)
    fileprivate static func fits(_ line: inout LogLine, since start: Int) -> Bool {
        guard line.isFull(with: Self.truncationMark.utf8CodeUnitCount + Self.end.utf8CodeUnitCount) else { return true }
        line.truncate(to: start)
        line.append(raw: Self.truncationMark)
        return false
    }

    // MARK: Names that are taken

    /// Whether a key that begins like that may be the name of a fixed field: almost no key gets any further.
    @inline(__always)
    static func mayBeFixed(_ beginning: UInt64) -> Bool {
        switch UInt8(truncatingIfNeeded: beginning >> 56) {
        case UInt8(ascii: "@"), UInt8(ascii: "e"), UInt8(ascii: "l"), UInt8(ascii: "m"), UInt8(ascii: "s"): true
        default: false
        }
    }

    /// Whether metadata cannot have this name; such a key moves below `labels.`.
    static func isFixed(_ key: String, hasErrorType: Bool) -> Bool {
        switch key.utf8.count {
        case 7: key == "message"
        case 9: key == "log.level"
        case 10: key == "@timestamp" || key == "log.logger" || (hasErrorType && key == "error.type")
        case 11: key == "ecs.version"
        case 12: key == "service.name"
        case 13: key == "event.dataset"
        case 15: key == "service.version"
        case 16: key == "labels.truncated"
        case 17: key == "service.node.name"
        case 19: key == "service.environment"
        default: false
        }
    }

    /// Takes the data set out of the fields, and renames those whose names are taken.
    private static func moveAside(_ fields: inout ContiguousArray<LogField>, hasErrorType: Bool) -> String? {
        for index in fields.indices where self.isFixed(fields[index].key, hasErrorType: hasErrorType) {
            return self.rename(in: &fields, hasErrorType: hasErrorType)
        }
        return nil
    }

    private static func rename(in fields: inout ContiguousArray<LogField>, hasErrorType: Bool) -> String? {
        var dataset: String?
        if let index = fields.firstIndex(where: { $0.key == "event.dataset" }), let text = fields[index].value.text {
            dataset = text
            fields.remove(at: index)
        }
        let names = Set(fields.map(\.key))
        for index in fields.indices where self.isFixed(fields[index].key, hasErrorType: hasErrorType) {
            // Until nobody else has that name.
            var label = fields[index].key
            repeat { label = "labels.\(label)" } while names.contains(label)
            fields[index].key = label
        }
        fields.settle(hasSeveralSources: false)
        return dataset
    }

    /// `…","log.level":"info","message":`
    private static func head(of level: Logger.Level) -> StaticString {
        switch level {
        case .trace: "\",\"log.level\":\"trace\",\"message\":"
        case .debug: "\",\"log.level\":\"debug\",\"message\":"
        case .info: "\",\"log.level\":\"info\",\"message\":"
        case .notice: "\",\"log.level\":\"notice\",\"message\":"
        case .warning: "\",\"log.level\":\"warning\",\"message\":"
        case .error: "\",\"log.level\":\"error\",\"message\":"
        case .critical: "\",\"log.level\":\"critical\",\"message\":"
        }
    }
}

extension LogLine {
    /// Appends a field whose name is known to need no escapes; whether there was room for it.
    @inline(__always)
    mutating func appendField(named name: StaticString, _ value: (inout LogLine) -> Void) -> Bool {
        let start = self.count
        self.append(raw: ",\"")
        self.append(raw: name)
        self.append(raw: "\":")
        value(&self)
        return JSONLogLayout.fits(&self, since: start)
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
