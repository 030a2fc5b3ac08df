// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Instrumentation

/// What a service context holds for a trace: one entry, because every entry makes every copy of a context dearer.
struct TraceScope: Sendable {
    enum Key: InstrumentationContextKey {
        typealias Value = TraceScope
        static var nameOverride: String? { "medbuilder-trace" }
    }

    var trace: TraceContext
    /// Where the spans of an unsampled trace wait for its end; `nil` if they need not wait, or are not recorded.
    var local: LocalTrace?
    /// What is recorded of the span; `nil` for a remote span, and one that is not recorded.
    var recorder: SpanRecorder?
}

extension InstrumentationContext {
    var traceScope: TraceScope? {
        get { self[TraceScope.Key.self] }
        set { self[TraceScope.Key.self] = newValue }
    }
}
