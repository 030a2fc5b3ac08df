// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Instrumentation

/// Where in which trace something happens: what a log line or an exemplar names, and what travels to other services.
///
/// ```swift
/// if let trace = TraceContext.current {
///     metadata["trace.id"] = "\(trace.traceID)"
///     metadata["span.id"] = "\(trace.spanID)"
/// }
/// ```
public struct TraceContext: Hashable, Sendable {
    /// The trace.
    public var traceID: TraceID
    /// The span; of the caller, if ``isRemote``.
    public var spanID: SpanID
    /// The flags of the trace.
    public var flags: TraceFlags
    /// What other systems keep with the trace, as the header `tracestate` is written; often empty.
    public var traceState: String
    /// Whether the span is one of another process.
    public var isRemote: Bool

    /// A place in a trace.
    public init(
        traceID: TraceID, spanID: SpanID, flags: TraceFlags = [], traceState: String = "", isRemote: Bool = false
    ) {
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
        self.traceState = traceState
        self.isRemote = isRemote
    }

    /// Whether the trace is recorded.
    public var isSampled: Bool { self.flags.contains(.sampled) }

    /// Where the current task is; `nil` outside of all traces.
    public static var current: TraceContext? { ServiceContext.current?.traceContext }
}
