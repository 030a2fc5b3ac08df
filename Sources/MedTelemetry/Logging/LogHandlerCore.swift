// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// What all copies of one logger share: everything but its metadata, its metadata provider and its level.
final class LogHandlerCore: Sendable {
    private let label: String
    private let writer: LogWriter
    private let layout: LogLayout
    private let now: @Sendable () -> Int64
    private let sink: (@Sendable (LogRecordView) -> Void)?

    init(
        label: String,
        writer: LogWriter,
        layout: LogLayout,
        now: @escaping @Sendable () -> Int64,
        sink: (@Sendable (LogRecordView) -> Void)?
    ) {
        self.label = label
        self.writer = writer
        self.layout = layout
        self.now = now
        self.sink = sink
    }

    /// What the caller says beats what the context says beats what the logger carries.
    func log(_ event: LogEvent, provided: Logger.Metadata?, own: Logger.Metadata) {
        let record = LogRecord(
            time: self.now(),
            level: event.level,
            message: event.message.description,
            errorType: event.error.map(Self.typeName)
        )
        LogScratch.withCurrent { scratch in
            var line = LogLine(buffer: scratch.buffer)
            if !self.appendQuickly(record, event.metadata, provided, own, to: &line, scratch: scratch) {
                var fields = Self.fields(event.metadata, provided, own)
                self.layout.append(record, fields: &fields, to: &line, scratch: scratch)
            }
            line.append(UInt8(ascii: "\n"))
            self.writer.write(terminated: line.bytes, level: record.level)
        }
        if let sink = self.sink { self.hand(record, Self.fields(event.metadata, provided, own), to: sink) }
    }

    /// What stands between the level and the fields of a record that is logged over and over; nil if its lines have to be
    /// made in another way: for people, or for somebody else as well.
    func middle(message: String, dataset: String) -> [UInt8]? {
        guard case .json(let layout) = self.layout, self.sink == nil else { return nil }
        return layout.middle(message: message, dataset: dataset)
    }

    /// Logs such a record.
    @inline(__always)
    func log(level: Logger.Level, middle: [UInt8], fields body: (inout PreparedLogFields) -> Void) {
        let time = self.now()
        LogScratch.withCurrent { scratch in
            let line = JSONLogLayout.append(
                time: time, level: level, middle: middle, to: LogLine(buffer: scratch.buffer), scratch: scratch,
                fields: body)
            guard var line else { return }
            line.append(UInt8(ascii: "\n"))
            self.writer.write(terminated: line.bytes, level: level)
        }
    }

    @inline(__always)
    private func appendQuickly(
        _ record: LogRecord,
        _ call: Logger.Metadata?,
        _ context: Logger.Metadata?,
        _ own: Logger.Metadata,
        to line: inout LogLine,
        scratch: LogScratch
    ) -> Bool {
        guard case .json(let layout) = self.layout else { return false }
        var fragments = LogFragments(scratch: scratch)
        if let call, !call.isEmpty, !fragments.add(call) { return false }
        if let context, !context.isEmpty, !fragments.add(context) { return false }
        if !own.isEmpty, !fragments.add(own) { return false }
        layout.append(record, fragments: fragments, to: &line, scratch: scratch)
        return true
    }

    /// All fields in the order of their keys, each key once.
    private static func fields(
        _ call: Logger.Metadata?,
        _ context: Logger.Metadata?,
        _ own: Logger.Metadata
    ) -> ContiguousArray<LogField> {
        var fields: ContiguousArray<LogField> = []
        for (key, value) in call ?? [:] { fields.append(LogField(key: key, value: value, source: .call)) }
        for (key, value) in context ?? [:] { fields.append(LogField(key: key, value: value, source: .context)) }
        for (key, value) in own { fields.append(LogField(key: key, value: value, source: .logger)) }
        fields.settle(hasSeveralSources: true)
        return fields
    }

    private func hand(
        _ record: LogRecord,
        _ fields: ContiguousArray<LogField>,
        to sink: @Sendable (LogRecordView) -> Void
    ) {
        let scratch = LogScratch.current()
        guard !scratch.isInSink else { return }
        let view = LogRecordView(record, label: self.label, fields: fields)
        scratch.isInSink = true
        sink(view)
        scratch.isInSink = false
    }

    /// `Module.Outer.Inner`, without the `(unknown context at $7f…)` of a private type: the address changes with every start.
    private static func typeName(of error: any Error) -> String {
        String(reflecting: type(of: error)).split(separator: ".").filter { !$0.hasPrefix("(unknown context") }
            .joined(separator: ".")
    }
}
