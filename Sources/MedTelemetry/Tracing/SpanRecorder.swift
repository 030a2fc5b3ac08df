// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tracing

/// What is recorded of a span until it ends. It may be told things by many tasks at once.
///
/// Nothing is scrubbed, sorted or copied before it is sure that the span is exported: most unsampled ones never are.
final class SpanRecorder: Sendable {
    /// All that is recorded.
    struct Record: Sendable {
        var name: String
        var end: UInt64?
        var attributes = SpanAttributes()
        var droppedAttributeCount = 0
        var events: [SpanEvent] = []
        var droppedEventCount = 0
        var links: [SpanLink] = []
        var droppedLinkCount = 0
        var status: SpanStatus?
    }

    let trace: TraceContext
    let parent: TraceContext?
    let kind: SpanKind
    let start: UInt64
    /// Whether this process has no span around this one.
    let isLocalRoot: Bool
    /// Where it waits for the end of its trace in this process. The two keep one another until that: see `deinit`.
    let local: LocalTrace?
    let tracer: RecordingTracer
    private let record: Mutex<Record>

    init(
        name: String, trace: TraceContext, parent: TraceContext?, kind: SpanKind, start: UInt64, isLocalRoot: Bool,
        local: LocalTrace?, tracer: RecordingTracer
    ) {
        self.trace = trace
        self.parent = parent
        self.kind = kind
        self.start = start
        self.isLocalRoot = isLocalRoot
        self.local = local
        self.tracer = tracer
        self.record = Mutex(Record(name: name))
    }

    deinit {
        // A local root that nobody can end any more: spans that wait for its end would wait for ever, and keep their trace.
        if self.isLocalRoot { self.local?.abandon() }
    }

    // MARK: While it lasts

    var isRecording: Bool { self.record.withLock { $0.end == nil } }
    var name: String { self.record.withLock { $0.name } }
    var attributes: SpanAttributes { self.record.withLock { $0.attributes } }

    func setName(_ name: String) { self.change { $0.name = name } }

    func setAttributes(_ attributes: SpanAttributes) {
        self.change { record in
            guard attributes.count > SpanLimits.attributes else {
                record.attributes = attributes
                return
            }
            // Those that were there first stay.
            let old = record.attributes
            var names: [(isNew: Bool, name: String, value: SpanAttribute)] = []
            attributes.forEach { names.append((old.get($0) == nil, $0, $1)) }
            names.sort { $0.isNew == $1.isNew ? $0.name < $1.name : $1.isNew }
            var kept = SpanAttributes()
            for (_, name, value) in names.prefix(SpanLimits.attributes) { kept.set(name, value: value) }
            record.attributes = kept
            record.droppedAttributeCount += names.count - SpanLimits.attributes
        }
    }

    func setStatus(_ status: SpanStatus) {
        self.change { record in
            // "Set Status" of OpenTelemetry: once it is said that all is well, it stays so.
            if record.status?.code != .ok { record.status = status }
        }
    }

    func addEvent(_ event: SpanEvent) {
        self.change { record in
            if record.events.count < SpanLimits.events {
                record.events.append(event)
            } else {
                record.droppedEventCount += 1
            }
        }
    }

    func addLink(_ link: SpanLink) {
        self.change { record in
            if record.links.count < SpanLimits.links {
                record.links.append(link)
            } else {
                record.droppedLinkCount += 1
            }
        }
    }

    /// What is said after the end counts no more.
    private func change(_ body: (inout sending Record) -> Void) {
        self.record.withLock { record in
            if record.end == nil { body(&record) }
        }
    }

    // MARK: At its end

    func finish(at end: UInt64) {
        let isFirst = self.record.withLock { record in
            guard record.end == nil else { return false }
            record.end = max(end, self.start)
            return true
        }
        guard isFirst else { return }
        guard let local = self.local else { return self.tracer.export(self) }
        for recorder in local.ended(self) { self.tracer.export(recorder) }
    }

    /// Whether the server answered with an error that is its own.
    var isServerError: Bool {
        self.record.withLock { record in
            switch record.attributes.get("http.response.status_code") {
            case .int64(let code) where code >= 500: true
            case .int32(let code) where code >= 500: true
            default: self.kind == .server && record.status?.code == .error
            }
        }
    }

    /// About how many bytes of memory it takes.
    var size: Int {
        let record = self.record.withLock { $0 }
        var size = 512 + SpanTexts.size(record.attributes)
        for event in record.events { size += 64 + event.name.utf8.count + SpanTexts.size(event.attributes) }
        for link in record.links { size += 64 + SpanTexts.size(link.attributes) }
        return size
    }

    /// The span as it is exported.
    func finished(_ texts: SpanTexts) -> FinishedSpan {
        let record = self.record.withLock { $0 }
        var span = FinishedSpan(
            context: self.trace, parentSpanID: self.parent?.spanID, hasRemoteParent: self.parent?.isRemote ?? false,
            name: texts.text(record.name), kind: self.kind, start: self.start, end: record.end ?? self.start)
        let (attributes, dropped) = texts.attributes(record.attributes)
        span.attributes = attributes
        span.droppedAttributeCount = record.droppedAttributeCount + dropped
        span.events = record.events.map { event in
            let (attributes, dropped) = texts.attributes(event.attributes)
            return FinishedSpan.Event(
                name: texts.text(event.name), time: event.nanosecondsSinceEpoch, attributes: attributes,
                droppedAttributeCount: dropped)
        }
        span.droppedEventCount = record.droppedEventCount
        span.links = record.links.compactMap { link in
            guard let context = link.context.traceContext else { return nil }
            let (attributes, dropped) = texts.attributes(link.attributes)
            return FinishedSpan.Link(context: context, attributes: attributes, droppedAttributeCount: dropped)
        }
        span.droppedLinkCount = record.droppedLinkCount
        switch record.status?.code {
        case .ok: span.status = .ok
        case .error: span.status = .error(texts.text(record.status?.message ?? ""))
        case nil: span.status = .unset
        }
        return span
    }
}
