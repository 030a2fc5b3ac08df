// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Instrumentation

/// What a service context holds for a trace: one entry, because every entry makes every copy of a context dearer, and one
/// reference, which needs no memory of its own there.
enum TraceScope: Sendable {
    enum Key: InstrumentationContextKey {
        typealias Value = TraceScope
        static var nameOverride: String? { "medbuilder-trace" }
    }

    /// A place in a trace, as a caller said it or a span that is not recorded has it.
    final class Place: Sendable {
        let trace: TraceContext

        init(_ trace: TraceContext) { self.trace = trace }
    }

    case place(Place)
    case span(SpanRecorder)

    init(trace: TraceContext) { self = .place(Place(trace)) }

    /// The place in the trace.
    var trace: TraceContext {
        switch self {
        case .place(let place): place.trace
        case .span(let recorder): recorder.trace
        }
    }

    /// The spans that wait for the end of the trace in this process, if it is not sampled.
    var local: LocalTrace? { self.recorder?.local }

    /// What is recorded of the span.
    var recorder: SpanRecorder? {
        switch self {
        case .place: nil
        case .span(let recorder): recorder
        }
    }
}

extension InstrumentationContext {
    /// What is known of the trace.
    var traceScope: TraceScope? {
        get { self[TraceScope.Key.self] }
        set { self[TraceScope.Key.self] = newValue }
    }
}
