// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import Tracing

@testable import MedTelemetry

@Suite struct RecordingTracerTests {
    private let spans = SpanList()

    private func tracer(
        _ sampler: TraceSampler = .alwaysOn, keepErrors: KeepErrors = .own, waitingTraces: Int = 100,
        redact: @escaping @Sendable (String) -> String = { $0 }
    ) -> RecordingTracer {
        let source = IdentifierSource(seed: 7, step: 99)
        return RecordingTracer(
            sampler: sampler, keepErrors: keepErrors, waitingTraces: waitingTraces, redact: redact,
            random: { source.next() }, sink: { [spans] in spans.add($0) })
    }

    private func remote(sampled: Bool) -> ServiceContext {
        var context = ServiceContext.topLevel
        let flags = sampled ? "01" : "00"
        W3CPropagation().extract(
            ["traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\(flags)", "tracestate": "a=1"],
            into: &context, using: Headers())
        return context
    }

    private func headers(_ context: ServiceContext, _ tracer: RecordingTracer) -> [String: String] {
        var headers: [String: String] = [:]
        tracer.inject(context, into: &headers, using: Headers())
        return headers
    }

    private struct Failure: Error { let patient = "Ada Lovelace" }

    // MARK: Spans

    @Test func `spans nest, and leave when they end`() throws {
        let tracer = self.tracer()
        tracer.withSpan("outer", context: .topLevel, ofKind: .server) { outer in
            #expect(TraceContext.current == outer.context.traceContext)
            #expect(outer.isRecording)
            tracer.withSpan("inner") { _ in }
        }
        let (inner, outer) = (try #require(self.spans.all.first), try #require(self.spans.all.last))
        #expect(self.spans.names == ["inner", "outer"])
        #expect(inner.context.traceID == outer.context.traceID)
        #expect(inner.parentSpanID == outer.context.spanID)
        #expect(outer.parentSpanID == nil)
        #expect(outer.kind == .server)
        #expect(outer.end >= outer.start)
        #expect(TraceContext.current == nil)
    }

    @Test func `a span holds everything that is said about it`() throws {
        let tracer = self.tracer()
        let other = tracer.startSpan("other", context: .topLevel)
        let span = tracer.startSpan("GET", context: .topLevel)
        span.operationName = "GET /patients/{id}"
        span.attributes["http.response.status_code"] = 200
        span.updateAttributes { attributes in
            attributes["flag"] = true
            attributes["ratio"] = 0.5
            attributes["list"] = SpanAttribute.stringArray(["a", "b"])
        }
        #expect(span.attributes["flag"]?.toSpanAttribute() == .bool(true))
        span.addEvent(SpanEvent(name: "retry", attributes: ["attempt": 2]))
        span.addLink(other, attributes: ["why": "batch"])
        span.setStatus(SpanStatus(code: .error, message: "timeout"))
        span.end()
        let finished = try #require(self.spans.all.first)
        #expect(finished.name == "GET /patients/{id}")
        #expect(
            finished.attributes == [
                OTLPAttribute("flag", true), OTLPAttribute("http.response.status_code", 200),
                OTLPAttribute("list", .array(["a", "b"])), OTLPAttribute("ratio", 0.5),
            ])
        #expect(finished.events.map(\.name) == ["retry"])
        #expect(finished.events.first?.attributes == [OTLPAttribute("attempt", 2)])
        #expect(finished.links.first?.context == other.context.traceContext)
        #expect(finished.status == .error("timeout"))
    }

    @Test func `a status of ok stays`() {
        let span = self.tracer().startSpan("a", context: .topLevel)
        span.setStatus(SpanStatus(code: .ok))
        span.setStatus(SpanStatus(code: .error, message: "late"))
        span.end()
        #expect(self.spans.all.first?.status == .ok)
    }

    @Test func `a span ends once, and is deaf afterwards`() {
        let span = self.tracer().startSpan("a", context: .topLevel)
        span.end()
        #expect(!span.isRecording)
        span.operationName = "b"
        span.attributes["late"] = true
        span.addEvent("late")
        span.end()
        #expect(self.spans.names == ["a"])
        #expect(self.spans.all.first?.attributes == [])
    }

    @Test func `of an error only the type is kept`() throws {
        let tracer = self.tracer()
        #expect(throws: Failure.self) {
            try tracer.withSpan("a", context: .topLevel) { _ in throw Failure() }
        }
        let finished = try #require(self.spans.all.first)
        #expect(!"\(finished)".contains("Lovelace"))
        #expect(finished.events.map(\.name) == ["exception"])
        let type = try #require(finished.events.first?.attributes.first)
        #expect(type.key == "exception.type")
        #expect(type.value == "MedTelemetryTests.RecordingTracerTests.Failure")
        #expect(finished.status == .error(""))
    }

    @Test func `every text is scrubbed`() throws {
        let tracer = self.tracer { $0.replacing("Ada", with: "‹scrubbed›") }
        let span = tracer.startSpan("name of Ada", context: .topLevel)
        span.attributes["text"] = "Ada"
        span.attributes["list"] = SpanAttribute.stringArray(["Ada"])
        span.attributes["made"] = SpanAttribute.stringConvertible("Ada" as Substring)
        span.attributes["mades"] = SpanAttribute.stringConvertibleArray(["Ada" as Substring])
        span.addEvent(SpanEvent(name: "event of Ada", attributes: ["text": "Ada"]))
        span.addLink(span, attributes: ["text": "Ada"])
        span.setStatus(SpanStatus(code: .error, message: "Ada"))
        span.end()
        let text = "\(try #require(self.spans.all.first))"
        #expect(!text.contains("Ada"))
        #expect(text.split(separator: "‹scrubbed›", omittingEmptySubsequences: false).count == 10)
    }

    @Test func `a long text is cut with a mark, after it was scrubbed`() throws {
        // The secret lies where the cut would be.
        let tracer = self.tracer { $0.replacing("SECRET", with: "-") }
        let span = tracer.startSpan("a", context: .topLevel)
        span.attributes["long"] = String(repeating: "é", count: 4087) + "SECRET" + String(repeating: "é", count: 1000)
        span.attributes["whole"] = String(repeating: "é", count: 4095)
        span.end()
        let attributes = try #require(self.spans.all.first).attributes
        guard case .string(let long) = attributes[0].value, case .string(let whole) = attributes[1].value else {
            throw Failure()
        }
        #expect(long.unicodeScalars.count == 4095)
        #expect(long.hasSuffix("…[cut]"))
        #expect(!long.contains("S"))
        #expect(whole == String(repeating: "é", count: 4095))
    }

    @Test func `a span has at most 128 attributes, events and links`() throws {
        let tracer = self.tracer()
        let span = tracer.startSpan("a", context: .topLevel)
        span.attributes["z.first"] = 1
        for number in 0..<200 {
            span.attributes["key\(number)"] = number
            span.addEvent(SpanEvent(name: "event\(number)"))
            span.addLink(span, attributes: [:])
        }
        let many = SpanAttributes(Dictionary(uniqueKeysWithValues: (0..<200).map { ("key\($0)", .int(1)) }))
        span.addEvent(SpanEvent(name: "dropped", attributes: many))
        span.end()
        let finished = try #require(self.spans.all.first)
        #expect(finished.attributes.count == 128)
        #expect(finished.attributes.contains { $0.key == "z.first" })
        #expect(finished.droppedAttributeCount == 73)
        #expect(finished.events.count == 128)
        #expect(finished.events.last?.name == "event127")
        #expect(finished.droppedEventCount == 73)
        #expect(finished.links.count == 128)
        #expect(finished.droppedLinkCount == 72)
        let event = tracer.startSpan("b", context: .topLevel)
        event.addEvent(SpanEvent(name: "many", attributes: many))
        event.end()
        #expect(self.spans.all.last?.events.first?.attributes.count == 128)
        #expect(self.spans.all.last?.events.first?.droppedAttributeCount == 72)
    }

    @Test func `a span whose clock went back ends when it began`() {
        let span = self.tracer().startSpan(
            "a", context: .topLevel, at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 100))
        span.end(at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 99))
        #expect(self.spans.all.first?.start == 100)
        #expect(self.spans.all.first?.end == 100)
    }

    @Test func `many tasks may talk to one span`() async throws {
        let span = self.tracer().startSpan("a", context: .topLevel)
        await withTaskGroup { group in
            for number in 0..<8 {
                group.addTask { for event in 0..<10 { span.addEvent(SpanEvent(name: "\(number)-\(event)")) } }
            }
        }
        span.end()
        #expect(Set(try #require(self.spans.all.first).events.map(\.name)).count == 80)
    }

    @Test func `the span of a context is found again`() {
        let tracer = self.tracer()
        let span = tracer.startSpan("a", context: .topLevel)
        tracer.activeSpan(identifiedBy: span.context)?.operationName = "b"
        #expect(span.operationName == "b")
        #expect(tracer.activeSpan(identifiedBy: .topLevel) == nil)
    }

    // MARK: Sampling

    @Test func `a remote parent decides, and its state is passed on`() {
        let tracer = self.tracer(.parentBasedAlwaysOn)
        let sampled = tracer.startSpan("yes", context: self.remote(sampled: true))
        let unsampled = tracer.startSpan("no", context: self.remote(sampled: false))
        #expect(!unsampled.isRecording)
        let headers = self.headers(sampled.context, tracer)
        let trace = sampled.context.traceContext
        #expect(headers["traceparent"] == trace.map { "00-0af7651916cd43dd8448eb211c80319c-\($0.spanID)-01" })
        #expect(headers["tracestate"] == "a=1")
        #expect(self.headers(unsampled.context, tracer)["traceparent"]?.hasSuffix("-00") == true)
        sampled.end()
        unsampled.end()
        #expect(self.spans.names == ["yes"])
        #expect(self.spans.all.first?.hasRemoteParent == true)
    }

    @Test func `a sampler that asks no parent decides itself`() {
        let on = self.tracer(.alwaysOn).startSpan("on", context: self.remote(sampled: false))
        let off = self.tracer(.alwaysOff, keepErrors: .never).startSpan("off", context: self.remote(sampled: true))
        #expect(on.context.traceContext?.isSampled == true)
        #expect(off.context.traceContext?.isSampled == false)
        on.end()
        off.end()
        #expect(self.spans.names == ["on"])
    }

    @Test func `a ratio is kept, and every service decides alike`() throws {
        let source = IdentifierSource(seed: 1, step: 2)
        for ratio in [0.0, 0.01, 0.25, 0.5, 1.0] {
            let sampler = TraceSampler(ratio: ratio)
            var count = 0
            for _ in 0..<20_000 {
                let low = source.next()
                let here = sampler.samples(try #require(TraceID(high: source.next(), low: low)), parent: nil)
                // Only the right seven bytes count.
                let there = sampler.samples(
                    try #require(TraceID(high: 1, low: (low & 0xff_ffff_ffff_ffff) | (1 << 60))), parent: nil)
                #expect(here == there)
                if here {
                    count += 1
                    #expect(
                        TraceSampler(ratio: min(1, ratio * 1.5)).samples(
                            try #require(TraceID(high: 1, low: low)), parent: nil))
                }
            }
            #expect(abs(Double(count) / 20_000 - ratio) < 0.02)
        }
    }

    @Test func `the threshold is the one of the specification`() throws {
        // A quarter: T = 0xc0000000000000.
        let sampler = TraceSampler(ratio: 0.25)
        #expect(sampler.samples(try #require(TraceID(high: 0, low: 0xc0_0000_0000_0000)), parent: nil))
        #expect(!sampler.samples(try #require(TraceID(high: 0, low: 0xffbf_ffff_ffff_ffff)), parent: nil))
    }

    @Test func `a tracer without a sink passes on what came, and names its own traces`() {
        let tracer = RecordingTracer(keepErrors: .always, redact: { $0 }, sink: nil)
        for isSampled in [true, false] {
            let span = tracer.startSpan("a", context: self.remote(sampled: isSampled))
            #expect(!span.isRecording)
            let flags = isSampled ? "01" : "00"
            #expect(
                self.headers(span.context, tracer)["traceparent"]
                    == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\(flags)")
        }
        let own = tracer.startSpan("b", context: .topLevel)
        #expect(own.context.traceContext?.isSampled == false)
        #expect(!own.isRecording)
        #expect(tracer.startSpan("c", context: own.context).context.traceContext == own.context.traceContext)
    }

    // MARK: Errors of unsampled traces

    /// A request with a query within, unsampled, that is answered with this status.
    private func request(_ tracer: RecordingTracer, status: Int?, parent: ServiceContext = .topLevel) -> TraceSpan {
        let request = tracer.startSpan("request", context: parent, ofKind: .server)
        let query = tracer.startSpan("query", context: request.context, ofKind: .client)
        query.end()
        if let status { request.attributes["http.response.status_code"] = status }
        return request
    }

    @Test func `an unsampled trace that ends in a 5xx exports its spans`() {
        let tracer = self.tracer(.alwaysOff)
        let request = self.request(tracer, status: 503)
        let late = tracer.startSpan("late", context: request.context)
        let before = self.headers(request.context, tracer)
        #expect(self.spans.names == [])
        request.end()
        #expect(self.spans.names == ["query", "request"])
        // What ends after the request belongs to it, and the flag stays what it was.
        late.end()
        #expect(self.spans.names == ["query", "request", "late"])
        #expect(self.spans.all.allSatisfy { !$0.context.isSampled })
        #expect(before["traceparent"]?.hasSuffix("-02") == true)
        #expect(self.headers(request.context, tracer) == before)
        #expect(tracer.waitingTraceCount == 0)
    }

    @Test func `an unsampled trace that ends well exports nothing`() {
        let tracer = self.tracer(.alwaysOff)
        for status in [200, 404, 499] { self.request(tracer, status: status).end() }
        let request = self.request(tracer, status: nil)
        let late = tracer.startSpan("late", context: request.context)
        request.end()
        late.end()
        #expect(self.spans.names == [])
        #expect(tracer.waitingTraceCount == 0)
    }

    @Test func `a server span with an error counts as one`() {
        let tracer = self.tracer(.alwaysOff)
        let request = self.request(tracer, status: nil)
        request.setStatus(SpanStatus(code: .error))
        request.end()
        #expect(self.spans.names == ["query", "request"])
    }

    @Test func `a caller that does not sample wins, unless errors are always kept`() {
        self.request(self.tracer(.parentBasedAlwaysOn), status: 500, parent: self.remote(sampled: false)).end()
        #expect(self.spans.names == [])
        self.request(self.tracer(keepErrors: .never), status: 500, parent: .topLevel).end()
        #expect(self.spans.names == ["query", "request"])
        let always = self.tracer(.parentBasedAlwaysOn, keepErrors: .always)
        let request = self.request(always, status: 500, parent: self.remote(sampled: false))
        #expect(self.headers(request.context, always)["traceparent"]?.hasSuffix("-00") == true)
        request.end()
        #expect(self.spans.names == ["query", "request", "query", "request"])
        #expect(self.spans.all.last?.context.isSampled == false)
    }

    @Test func `no error is kept if none shall be`() {
        let tracer = self.tracer(.alwaysOff, keepErrors: .never)
        let request = self.request(tracer, status: 500)
        #expect(!request.isRecording)
        request.end()
        #expect(self.spans.names == [])
    }

    @Test func `at most 128 spans of a trace wait, and so many traces`() {
        let tracer = self.tracer(.alwaysOff, waitingTraces: 2)
        let request = self.request(tracer, status: 500)
        for _ in 0..<200 { tracer.startSpan("more", context: request.context).end() }
        let second = self.request(tracer, status: 500)
        let third = self.request(tracer, status: 500)
        #expect(!third.isRecording)
        third.end()
        #expect(self.spans.names == [])
        #expect(tracer.waitingTraceCount == 2)
        request.end()
        #expect(self.spans.all.count == 129)
        #expect(self.spans.names.last == "request")
        #expect(tracer.droppedWaitingSpanCount == 73)
        #expect(self.request(tracer, status: 500).isRecording)
        second.end()
    }

    @Test func `waiting spans are bounded in bytes too`() {
        let tracer = self.tracer(.alwaysOff)
        func query(_ context: ServiceContext) {
            let query = tracer.startSpan("query", context: context)
            query.attributes["long"] = String(repeating: "x", count: 1_000_000)
            query.end()
        }
        let request = self.request(tracer, status: 500)
        for _ in 0..<40 { query(request.context) }
        #expect(tracer.droppedWaitingSpanCount == 7)
        request.end()
        // There is room again.
        let next = self.request(tracer, status: 200)
        for _ in 0..<30 { query(next.context) }
        #expect(tracer.droppedWaitingSpanCount == 7)
        next.end()
        #expect(self.spans.all.count == 35)
    }

    @Test func `a request that never ends does not keep its place for ever`() {
        let tracer = self.tracer(.alwaysOff)
        for _ in 0..<1000 { _ = self.request(tracer, status: 500) }
        #expect(tracer.waitingTraceCount == 0)
    }
}
