// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tracing

@testable import MedTelemetry

/// One request of each kind in which every field of the protocol that we write has a value.
enum OTLPSamples {
    static let resource = [OTLPAttribute("service.name", "med"), OTLPAttribute("service.version", "1.0")]
    static let scope = OTLPScope(name: "medbuilder", version: "1.0")

    static var context: TraceContext {
        // The identifiers of the examples of W3C Trace Context.
        guard let trace = TraceID("0af7651916cd43dd8448eb211c80319c"), let span = SpanID("b7ad6b7169203331") else {
            fatalError("The identifiers of the sample are malformed.")
        }
        return TraceContext(
            traceID: trace, spanID: span, flags: [.sampled, .random], traceState: "a=1,ot=th:8;rv:9b8233f7e3a151")
    }

    static let attributes = [
        OTLPAttribute("text", "quote \" backslash \\ newline \n nul \u{0} é 🩺"), OTLPAttribute("empty", ""),
        OTLPAttribute("yes", true), OTLPAttribute("no", false), OTLPAttribute("zero", 0),
        OTLPAttribute("least", .int(.min)), OTLPAttribute("most", .int(.max)), OTLPAttribute("half", 0.5),
        OTLPAttribute("minus zero", .double(-0.0)), OTLPAttribute("small", .double(.leastNonzeroMagnitude)),
        OTLPAttribute("large", .double(1.7976931348623157e308)), OTLPAttribute("infinite", .double(.infinity)),
        OTLPAttribute("minus infinite", .double(-.infinity)), OTLPAttribute("bytes", .bytes([0, 1, 254, 255])),
        OTLPAttribute("list", .array([1, "two", .array([]), .map([OTLPAttribute("k", "v")])])),
        OTLPAttribute("map", .map([OTLPAttribute("inner", .map([]))])),
    ]

    static var traces: OTLPRequest<FinishedSpan> {
        var full = FinishedSpan(
            context: self.context, parentSpanID: SpanID(1), hasRemoteParent: true, name: "GET /patients/{id}",
            kind: .server, start: 1_700_000_000_000_000_001, end: 1_700_000_000_500_000_000,
            attributes: self.attributes, status: .error("timeout"))
        full.droppedAttributeCount = 1
        full.events = [
            FinishedSpan.Event(
                name: "exception", time: 1_700_000_000_100_000_000, attributes: self.attributes,
                droppedAttributeCount: 2)
        ]
        full.droppedEventCount = 3
        full.links = [FinishedSpan.Link(context: self.context, attributes: self.attributes, droppedAttributeCount: 4)]
        full.droppedLinkCount = 5
        let bare = FinishedSpan(context: self.context, name: "", start: 0, end: .max, status: .ok)
        return OTLPRequest(resource: self.resource, scope: self.scope, items: [full, bare])
    }

    static var logs: OTLPRequest<OTLPLogRecord> {
        OTLPRequest(
            resource: self.resource, scope: self.scope,
            items: [
                OTLPLogRecord(
                    time: 1_700_000_000_000_000_001, severity: 17, severityText: "error", body: "Failed",
                    attributes: self.attributes, trace: self.context),
                OTLPLogRecord(time: 1, severity: 9, severityText: "", body: .map(self.attributes)),
            ])
    }

    static var metrics: OTLPRequest<OTLPMetric> {
        let exemplar = OTLPExemplar(
            time: 5, value: .double(0.25), traceID: self.context.traceID, spanID: self.context.spanID,
            attributes: self.attributes)
        let numbers = [
            OTLPNumberPoint(
                attributes: self.attributes, start: 1, time: 2, value: .int(-3),
                exemplars: [exemplar, OTLPExemplar(time: 6, value: .int(0))]),
            OTLPNumberPoint(attributes: [], start: 0, time: 2, value: .int(0)),
            OTLPNumberPoint(attributes: [], start: 0, time: 2, value: .double(0)),
            OTLPNumberPoint(attributes: [], start: 0, time: 2, value: .double(.nan)),
        ]
        let histogram = OTLPHistogramPoint(
            attributes: self.attributes, start: 1, time: 2, count: 6, sum: 0, bounds: [0.005, 1, 10],
            bucketCounts: [1, 0, 2, 3], minimum: 0, maximum: 20, exemplars: [exemplar])
        let exponential = OTLPExponentialHistogramPoint(
            attributes: self.attributes, start: 1, time: 2, count: 600, sum: -1.5, scale: -2, zeroCount: 1,
            zeroThreshold: 1e-128, positive: .init(offset: -3, counts: [1, 300, 0, .max]),
            negative: .init(offset: 4, counts: [1]), minimum: -1, maximum: 1, exemplars: [exemplar])
        return OTLPRequest(
            resource: self.resource, scope: self.scope,
            items: [
                OTLPMetric(name: "g", description: "A gauge.", unit: "By", data: .gauge(numbers)),
                OTLPMetric(
                    name: "s", description: "", unit: "1", data: .sum(numbers, isMonotonic: true, .cumulative)),
                OTLPMetric(name: "u", description: "", unit: "", data: .sum([], isMonotonic: false, .delta)),
                OTLPMetric(name: "h", description: "", unit: "s", data: .histogram([histogram], .delta)),
                OTLPMetric(
                    name: "e", description: "", unit: "s", data: .exponentialHistogram([exponential], .cumulative)),
            ])
    }

    /// A request with arbitrary values, the same for the same number.
    static func random(_ number: UInt64) -> OTLPRequest<OTLPLogRecord> {
        let source = IdentifierSource(seed: number, step: 0x9e37_79b9_7f4a_7c15)
        func below(_ limit: UInt64) -> UInt64 { source.next() % limit }
        func text() -> String {
            var text = String.UnicodeScalarView()
            for _ in 0..<below(20) {
                let scalar = Unicode.Scalar(UInt32(below(below(2) == 0 ? 0x100 : 0x11_0000)))
                // Surrogates are no characters.
                text.append(scalar ?? "?")
            }
            return String(text)
        }
        func double() -> Double {
            let number = Double(bitPattern: source.next())
            // Of all that is no number, the JSON form knows one.
            return number.isNaN ? .nan : number
        }
        func value(_ depth: Int) -> OTLPValue {
            switch below(depth > 3 ? 5 : 7) {
            case 0: .string(text())
            case 1: .bool(below(2) == 0)
            case 2: .int(Int64(bitPattern: source.next() >> below(64)))
            case 3: .double(double())
            case 4: .bytes((0..<below(10)).map { _ in UInt8(below(256)) })
            case 5: .array((0..<below(4)).map { _ in value(depth + 1) })
            default: .map((0..<below(4)).map { _ in OTLPAttribute(text(), value(depth + 1)) })
            }
        }
        func attributes() -> [OTLPAttribute] { (0..<below(8)).map { _ in OTLPAttribute(text(), value(0)) } }
        let records = (0..<below(5)).map { _ in
            OTLPLogRecord(
                time: source.next() >> below(64), severity: Int32(below(25)), severityText: text(), body: value(0),
                attributes: attributes(), trace: below(2) == 0 ? nil : self.context)
        }
        return OTLPRequest(
            resource: attributes(), scope: OTLPScope(name: text(), version: text()), items: records)
    }

    /// Lines for the referee: both forms of every request, which must say the same.
    static var refereeLines: String {
        func lines<Item>(
            _ signal: String, _ message: OTLPMessage<OTLPRequest<Item>>, _ request: OTLPRequest<Item>,
            number: UInt64 = 0
        ) -> String {
            [OTLPProtocol.protobuf, .json].map { form in
                let body = Data(message.encode(request, as: form)).base64EncodedString()
                return #"{"signal":"\#(signal)","contentType":"\#(form.contentType)","#
                    + #""pair":"\#(signal)-\#(number)","body":"\#(body)"}"# + "\n"
            }.joined()
        }
        return lines("traces", OTLPSchema.traces, self.traces) + lines("logs", OTLPSchema.logs, self.logs)
            + lines("metrics", OTLPSchema.metrics, self.metrics)
            + (1...300).map { lines("logs", OTLPSchema.logs, self.random($0), number: $0) }.joined()
    }
}
