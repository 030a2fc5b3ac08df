// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Tracing

/// A span of a ``RecordingTracer``. One that is not recorded knows its place in the trace and nothing else.
public struct TraceSpan: Span {
    /// What belongs to tasks within the span.
    public let context: ServiceContext
    private let recorder: SpanRecorder?

    init(context: ServiceContext, recorder: SpanRecorder?) {
        self.context = context
        self.recorder = recorder
    }

    /// Whether anything that is said about the span is kept.
    public var isRecording: Bool { self.recorder?.isRecording ?? false }

    /// Whether it is exported at its end, as far as is known: it is sampled, or was said to have failed.
    package var isToBeExported: Bool { self.recorder.map { $0.trace.isSampled || $0.isServerError } ?? false }

    /// What is done; empty if it is not recorded.
    public var operationName: String {
        get { self.recorder?.name ?? "" }
        nonmutating set { self.recorder?.setName(newValue) }
    }

    /// At most 128: those that came first.
    public var attributes: SpanAttributes {
        get { self.recorder?.attributes ?? [:] }
        nonmutating set { self.recorder?.setAttributes(newValue) }
    }

    /// Says how it went. Once it is said that all is well, that stays.
    public func setStatus(_ status: SpanStatus) { self.recorder?.setStatus(status) }

    /// Says what happened; at most 128 times.
    public func addEvent(_ event: SpanEvent) { self.recorder?.addEvent(event) }

    /// Names another span; at most 128 times.
    public func addLink(_ link: SpanLink) { self.recorder?.addLink(link) }

    /// Says which type of error came up. Never its description: it could quote a patient's data.
    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        guard let recorder else { return }
        var attributes = attributes
        attributes.set("exception.type", value: .string(Self.typeName(of: error)))
        recorder.addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    /// `Module.Outer.Inner`, without the `(unknown context at $7f…)` of a private type: the address changes with every
    /// start.
    private static func typeName(of error: any Error) -> String {
        String(reflecting: type(of: error)).split(separator: ".").filter { !$0.hasPrefix("(unknown context") }
            .joined(separator: ".")
    }

    /// Ends the span. What is said about it afterwards does not count.
    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        self.recorder?.finish(at: instant().nanosecondsSinceEpoch)
    }
}
