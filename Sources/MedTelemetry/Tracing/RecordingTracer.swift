// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Tracing

/// A backend for swift-distributed-tracing: it samples traces, carries them from request to request, and gives the
/// spans that have ended to a sink.
///
/// ```swift
/// let tracer = RecordingTracer(sampler: TraceSampler(ratio: 0.01)) { exporter.record($0) }
/// InstrumentationSystem.bootstrap(tracer)
/// ```
///
/// The decision about a trace is made once, by its first span in this process; all spans within follow it, and so does
/// the flag that goes to other services. It never changes afterwards, even if the trace ends in an error and is
/// exported for that (``KeepErrors``).
public final class RecordingTracer: Tracer {
    // Measured (release, one core): an unsampled span costs half a microsecond, one that waits for the end of its trace
    // one microsecond and what its attributes cost, a sampled one twice as much.

    /// Spans of this tracer.
    public typealias Span = TraceSpan

    private let sampler: TraceSampler
    private let keepErrors: KeepErrors
    private let propagation: W3CPropagation
    private let slots: LocalTraceSlots
    private let texts: SpanTexts
    private let random: @Sendable () -> UInt64
    private let sink: SpanSink?

    /// Creates a tracer.
    ///
    /// - Parameters:
    ///   - sampler: which traces are recorded.
    ///   - keepErrors: which others are exported when they end in an error.
    ///   - waitingTraces: how many traces may wait at a time for whether they end in an error; more of them do not.
    ///   - propagation: which headers carry traces.
    ///   - redact: scrubs every text of a span before it leaves.
    ///   - random: makes identifiers: 64 bits of which every one is as good as random.
    ///   - sink: takes the ended spans; `nil` if they go nowhere. Then no span is recorded, new traces are not sampled,
    ///     and those of callers are passed on as they came: a span that nobody exports must not be the parent of
    ///     others.
    public init(
        sampler: TraceSampler = .parentBasedAlwaysOn,
        keepErrors: KeepErrors = .own,
        waitingTraces: Int = 1024,
        propagation: W3CPropagation = W3CPropagation(),
        redact: @escaping @Sendable (String) -> String,
        random: @escaping @Sendable () -> UInt64 = { IdentifierSource.shared.next() },
        sink: SpanSink?
    ) {
        self.sampler = sampler
        self.keepErrors = keepErrors
        self.propagation = propagation
        self.slots = LocalTraceSlots(limit: waitingTraces)
        self.texts = SpanTexts(redact: redact)
        self.random = random
        self.sink = sink
    }

    /// How many unsampled traces wait for their end.
    public var waitingTraceCount: Int { self.slots.usedCount }
    /// How many spans of unsampled traces were more than can wait.
    public var droppedWaitingSpanCount: Int { self.slots.droppedCount }

    // MARK: Spans

    /// Starts a span, within that of `context` if it has one.
    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> TraceSpan {
        var context = context()
        let outer = context.traceScope
        let parent = outer?.trace
        if self.sink == nil, parent != nil { return TraceSpan(context: context, recorder: nil) }
        let isLocalRoot = parent.map(\.isRemote) ?? true
        var trace = TraceContext(
            traceID: parent?.traceID ?? TraceID(random: self.random), spanID: SpanID(random: self.random),
            flags: parent?.flags ?? .random, traceState: parent?.traceState ?? "")
        var local = outer?.local
        if isLocalRoot {
            let isSampled = self.sink != nil && self.sampler.samples(trace.traceID, parent: parent)
            if isSampled { trace.flags.insert(.sampled) } else { trace.flags.remove(.sampled) }
            local = isSampled || self.sink == nil ? nil : self.localTrace(parent: parent)
        }
        guard trace.isSampled || local != nil else {
            context.traceScope = TraceScope(trace: trace)
            return TraceSpan(context: context, recorder: nil)
        }
        let recorder = SpanRecorder(
            name: operationName, trace: trace, parent: parent, kind: kind, start: instant().nanosecondsSinceEpoch,
            isLocalRoot: isLocalRoot, local: local, tracer: self)
        context.traceScope = .span(recorder)
        return TraceSpan(context: context, recorder: recorder)
    }

    /// A place where the spans of an unsampled trace wait for its end, if they shall and can.
    private func localTrace(parent: TraceContext?) -> LocalTrace? {
        switch self.keepErrors {
        case .never: return nil
        case .own: if let parent, !parent.isSampled { return nil }
        case .always: break
        }
        return self.slots.take() ? LocalTrace(slots: self.slots) : nil
    }

    /// The span that goes with a context.
    public func activeSpan(identifiedBy context: ServiceContext) -> TraceSpan? {
        context.traceScope.map { TraceSpan(context: context, recorder: $0.recorder) }
    }

    func export(_ recorder: SpanRecorder) { self.sink?(recorder.finished(self.texts)) }

    /// Does nothing: sending is the sink's.
    @available(*, deprecated, message: "Flush the exporter.")
    public func forceFlush() {}

    // MARK: Headers

    /// Puts what the headers say into the context.
    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        self.propagation.extract(carrier, into: &context, using: extractor)
    }

    /// Writes what the context holds into the headers.
    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        self.propagation.inject(context, into: &carrier, using: injector)
    }
}
