// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Instrumentation
import NIOCore
import Testing
import Tracing

@testable import MedTelemetry

@Suite struct OutgoingRequestTests {
    /// The headers of a request that a client as anybody makes one sends within the trace of a caller, and the spans.
    private static func send(_ sampler: TraceSampler) async throws -> (headers: [String: String], spans: [FinishedSpan])
    {
        let spans = SpanList()
        let tracer = RecordingTracer(sampler: sampler, keepErrors: .never, redact: { $0 }, sink: { spans.add($0) })
        InstrumentationSystem.bootstrap(tracer)
        let server = try Collector()
        defer { server.stop() }
        var context = ServiceContext.topLevel
        tracer.extract(
            [
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1",
                "baggage": "tenant=7",
            ], into: &context, using: Headers())
        let client = HTTPClient(eventLoopGroupProvider: .shared(HTTPClient.defaultEventLoopGroup))
        try await ServiceContext.withValue(context) {
            try await tracer.withSpan("request", ofKind: .server) { _ in
                _ = try await client.execute(HTTPClientRequest(url: "\(server.url)/x"), timeout: .seconds(60))
            }
        }
        try await client.shutdown()
        return (try #require(server.requests.first).headers, spans.all)
    }

    @Test func `a trace goes out with a request of async-http-client`() async {
        // A process of its own, because its tracer is for all.
        await #expect(processExitsWith: .success) {
            let (headers, spans) = try await OutgoingRequestTests.send(.alwaysOn)
            // The span of the request that goes out is the parent of what comes of it, within that of the request that came in.
            let outgoing = try #require(spans.first { $0.kind == .client })
            let incoming = try #require(spans.first { $0.name == "request" })
            #expect(outgoing.parentSpanID == incoming.context.spanID)
            #expect(
                headers["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-\(outgoing.context.spanID)-01")
            #expect(headers["tracestate"] == "a=1")
            #expect(headers["baggage"] == "tenant=7")
        }
    }

    @Test func `a trace that is not recorded goes out as such`() async {
        await #expect(processExitsWith: .success) {
            let (headers, spans) = try await OutgoingRequestTests.send(.alwaysOff)
            #expect(spans.isEmpty)
            let parts = (headers["traceparent"] ?? "").split(separator: "-")
            #expect(parts.count == 4 && parts[1] == "0af7651916cd43dd8448eb211c80319c" && parts[3] == "00")
        }
    }
}
