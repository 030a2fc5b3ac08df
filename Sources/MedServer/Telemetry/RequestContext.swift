// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Instrumentation
import MedTelemetry
import NIOHTTP1
import ServiceContextModule

/// The name of the request that a task belongs to.
private enum RequestIDKey: ServiceContextKey {
    typealias Value = String
}

extension ServiceContext {
    /// An empty context with room for the name of a request and its trace: one that grows asks for memory twice.
    static let forRequest: ServiceContext = {
        var context = ServiceContext.topLevel
        context.requestID = ""
        if let traceID = TraceID(high: 0, low: 1), let spanID = SpanID(1) {
            context.traceContext = TraceContext(traceID: traceID, spanID: spanID)
        }
        // What is taken out leaves its room.
        context.requestID = nil
        context.traceContext = nil
        return context
    }()

    /// The name of the request.
    var requestID: String? {
        get { self[RequestIDKey.self] }
        set { self[RequestIDKey.self] = newValue }
    }
}

/// What the log adds to whatever is logged within a request: its name, its trace and its span.
public enum RequestMetadata {
    /// For the log handlers.
    public static let provider = Logger.MetadataProvider {
        guard let context = ServiceContext.current else { return [:] }
        var metadata: Logger.Metadata = [:]
        if let id = context.requestID { metadata["http.request.id"] = .string(id) }
        if let trace = context.traceContext {
            metadata["trace.id"] = .string(trace.traceID.description)
            metadata["span.id"] = .string(trace.spanID.description)
        }
        return metadata
    }
}

/// Finds the headers of a trace in a request.
struct HeaderExtractor: Extractor {
    func extract(key: String, from headers: HTTPHeaders) -> String? {
        let values = headers[key]
        // Only one of each is well formed, but `tracestate` and `baggage` may come in parts (W3C Trace Context, §3.3.1.1).
        return values.isEmpty ? nil : values.joined(separator: ",")
    }
}
