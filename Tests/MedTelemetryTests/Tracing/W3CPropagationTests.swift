// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Instrumentation
import Testing

@testable import MedTelemetry

@Suite struct W3CPropagationTests {
    private let trace = "0af7651916cd43dd8448eb211c80319c"
    private let span = "b7ad6b7169203331"

    private func extract(_ headers: [String: String], _ propagation: W3CPropagation = .init()) -> ServiceContext {
        var context = ServiceContext.topLevel
        propagation.extract(headers, into: &context, using: Headers())
        return context
    }

    private func inject(_ context: ServiceContext, _ propagation: W3CPropagation = .init()) -> [String: String] {
        var headers: [String: String] = [:]
        propagation.inject(context, into: &headers, using: Headers())
        return headers
    }

    @Test func `a traceparent is read and written`() throws {
        let header = "00-\(self.trace)-\(self.span)-01"
        let context = self.extract(["traceparent": header])
        let trace = try #require(context.traceContext)
        #expect("\(trace.traceID)" == self.trace)
        #expect("\(trace.spanID)" == self.span)
        #expect(trace.isSampled)
        #expect(trace.isRemote)
        #expect(self.inject(context) == ["traceparent": header])
    }

    @Test func `a collector gets the numbers of the trace state and nobody's text`() throws {
        let states = [
            "": "", "x=Ada,y=1": "", "ot=th:8;rv:9b8233f7e3a151": "ot=th:8;rv:9b8233f7e3a151",
            "x=Ada, ot=th:c": "ot=th:c", "ot=Ada": "", "ot=th:Ada;rv:0": "ot=rv:0", "ot=th:0123456789abcde": "",
            "ot=p:Ada;th:0": "ot=th:0", "aot=th:1": "",
        ]
        for (state, exported) in states {
            let header = "00-\(self.trace)-\(self.span)-01"
            let context = self.extract(["traceparent": header, "tracestate": state])
            #expect(context.traceContext?.exportedTraceState == exported, "\(state)")
        }
    }

    @Test func `flags without a meaning are not passed on`() {
        let context = self.extract(["traceparent": "00-\(self.trace)-\(self.span)-ff"])
        #expect(context.traceContext?.flags == [.sampled, .random])
        #expect(self.inject(context)["traceparent"] == "00-\(self.trace)-\(self.span)-03")
    }

    @Test func `a malformed traceparent is refused`() {
        let zeroTrace = String(repeating: "0", count: 32)
        let zeroSpan = String(repeating: "0", count: 16)
        let malformed = [
            "", "00", "00-\(self.trace)-\(self.span)", "00-\(self.trace)-\(self.span)-",
            "00-\(self.trace)-\(self.span)-0",
            "00-\(self.trace)-\(self.span)-011", "00-\(self.trace)-\(self.span)-01-",
            "00-\(self.trace)-\(self.span)-01-x",
            "00-\(zeroTrace)-\(self.span)-01", "00-\(self.trace)-\(zeroSpan)-01", "ff-\(self.trace)-\(self.span)-01",
            "FF-\(self.trace)-\(self.span)-01", "0-\(self.trace)-\(self.span)-001",
            "00-\(self.trace.uppercased())-\(self.span)-01", "00-\(self.trace)-\(self.span.uppercased())-01",
            "00-\(self.trace)-\(self.span)-0A", "00_\(self.trace)_\(self.span)_01", " 00-\(self.trace)-\(self.span)-01",
            "00-\(self.trace)-\(self.span)-01 ", "00-\(self.trace.dropLast())g-\(self.span)-01",
            "00-\(self.trace)-\(self.span)-01,00-\(self.trace)-\(self.span)-01", "0x-\(self.trace)-\(self.span)-01",
            "01-\(self.trace)-\(self.span)-01.x", "00-\(self.trace.dropLast(2))é-\(self.span)-01",
        ]
        for header in malformed { #expect(W3CPropagation.traceParent(header) == nil, "\(header)") }
    }

    @Test func `a later version is read by its beginning`() {
        for header in ["01-\(self.trace)-\(self.span)-01", "cc-\(self.trace)-\(self.span)-01-what-the-future-brings"] {
            let context = self.extract(["traceparent": header])
            #expect(self.inject(context)["traceparent"] == "00-\(self.trace)-\(self.span)-01")
        }
    }

    @Test func `a tracestate travels with its traceparent alone`() {
        let parent = "00-\(self.trace)-\(self.span)-01"
        let state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,0tenant/x@sys=a b!~"
        #expect(self.inject(self.extract(["traceparent": parent, "tracestate": state]))["tracestate"] == state)
        #expect(self.inject(self.extract(["traceparent": "no", "tracestate": state])).isEmpty)
    }

    @Test func `white space and empty members of a tracestate are left out`() {
        #expect(W3CPropagation.traceState(" a=1 ,\t, b=2,,") == "a=1,b=2")
    }

    @Test func `a malformed tracestate is dropped whole`() {
        let malformed = [
            "a", "a=1,b", "A=1", "a=1,a=2", "=1", "a=", "a=1=2", "a =1", "_a=1", "a=\u{7f}", "a=é", "a\u{1}=1", "é=1",
            String(repeating: "a", count: 257) + "=1", "a=" + String(repeating: "1", count: 257),
        ]
        for header in malformed { #expect(W3CPropagation.traceState("ok=1,\(header)") == nil, "\(header)") }
    }

    @Test func `a tracestate may have 32 members and 512 bytes`() {
        func members(_ count: Int) -> String { (0..<count).map { "k\($0)=1" }.joined(separator: ",") }
        #expect(W3CPropagation.traceState(members(32)) == members(32))
        #expect(W3CPropagation.traceState(members(33)) == nil)
        let long = "a=" + String(repeating: "1", count: 252) + ",b=" + String(repeating: "1", count: 255)
        #expect(long.utf8.count == 512)
        #expect(W3CPropagation.traceState(long) == long)
        #expect(W3CPropagation.traceState(long + "1") == nil)
    }

    @Test func `baggage is read and written`() throws {
        let context = self.extract([
            "baggage": "userId=alice , serverNode=DF%2028;x=1;y,bad member=1,café=1,isProduction=false"
        ])
        let baggage = try #require(context.baggage)
        #expect(baggage["serverNode"] == "DF 28")
        #expect(baggage.members.map(\.name) == ["userId", "serverNode", "isProduction"])
        #expect(self.inject(context)["baggage"] == "userId=alice,serverNode=DF%2028;x=1;y,isProduction=false")
    }

    @Test func `no value of baggage can end its header or make another`() {
        var context = ServiceContext.topLevel
        context.baggage = Baggage([
            .init(name: "a", value: "1\r\nX-Evil: 1, b=2; é % \u{0}"), .init(name: "not a token", value: "1"),
            .init(name: "c", value: "1", properties: "x\r\nX-Evil: 1"),
        ])
        let header = self.inject(context)["baggage"]
        #expect(header == "a=1%0D%0AX-Evil:%201%2C%20b=2%3B%20%C3%A9%20%25%20%00")
        #expect(self.extract(["baggage": header ?? ""]).baggage?["a"] == "1\r\nX-Evil: 1, b=2; é % \u{0}")
    }

    @Test func `baggage has at most 64 members and 8192 bytes`() {
        let many = (0..<100).map { "k\($0)=1" }.joined(separator: ",")
        #expect(self.extract(["baggage": many]).baggage?.members.count == 64)
        let long = (0..<10).map { "k\($0)=" + String(repeating: "v", count: 1000) }.joined(separator: ",")
        let baggage = self.extract(["baggage": long]).baggage
        #expect(baggage?.members.count == 8)
        var context = ServiceContext.topLevel
        context.baggage = Baggage((0..<100).map { .init(name: "k\($0)", value: String(repeating: "é", count: 100)) })
        let header = self.inject(context)["baggage"] ?? ""
        #expect(header.utf8.count <= 8192)
        #expect(header.utf8.count > 7500)
    }

    @Test func `headers that are not wanted are neither read nor written`() {
        let headers = ["traceparent": "00-\(self.trace)-\(self.span)-01", "baggage": "a=1"]
        #expect(self.extract(headers, W3CPropagation([])).isEmpty)
        #expect(self.extract(headers, W3CPropagation(.baggage)).traceContext == nil)
        #expect(self.inject(self.extract(headers), W3CPropagation(.traceContext)).count == 1)
    }
}
