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

    /// What a collector is told of the trace state: the numbers of OpenTelemetry's own entry, by which spans are sampled and counted
    /// (OpenTelemetry, "TraceState: Probability Sampling": `ot=th:…;rv:…`). All else is a caller's text, which can be anything.
    var exportedTraceState: String {
        for member in self.traceState.split(separator: ",") {
            let member = member.drop { $0 == " " || $0 == "\t" }
            guard member.hasPrefix("ot=") else { continue }
            let numbers = member.dropFirst("ot=".count).split(separator: ";").filter { Self.isSamplingNumber($0) }
            return numbers.isEmpty ? "" : "ot=" + numbers.joined(separator: ";")
        }
        return ""
    }

    /// Whether it is `th:` or `rv:` and at most 56 bits in hexadecimal.
    private static func isSamplingNumber(_ member: Substring) -> Bool {
        guard member.hasPrefix("th:") || member.hasPrefix("rv:") else { return false }
        let digits = member.dropFirst(3).utf8
        return (1...14).contains(digits.count)
            && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// Where the current task is; `nil` outside of all traces.
    public static var current: TraceContext? { ServiceContext.current?.traceContext }
}
