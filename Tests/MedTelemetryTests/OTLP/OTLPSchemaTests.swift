// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import Tracing

@testable import MedTelemetry

@Suite struct OTLPSchemaTests {
    private func json<Item>(_ message: OTLPMessage<OTLPRequest<Item>>, _ request: OTLPRequest<Item>) -> String {
        String(decoding: message.encode(request, as: .json), as: UTF8.self)
    }

    private func hex<Item>(_ message: OTLPMessage<OTLPRequest<Item>>, _ request: OTLPRequest<Item>) -> String {
        HexText.text(message.encode(request, as: .protobuf))
    }

    @Test func `a span has the bytes and the text of the protocol`() throws {
        var context = OTLPSamples.context
        context.traceState = ""
        let span = FinishedSpan(
            context: context, parentSpanID: SpanID(1), name: "a", kind: .client, start: 2, end: 3,
            attributes: [OTLPAttribute("n", -1), OTLPAttribute("e", "")], status: .error("x"))
        let request = OTLPRequest(resource: [OTLPAttribute("r", true)], scope: OTLPScope(name: "s"), items: [span])
        #expect(
            self.json(OTLPSchema.traces, request)
                == #"{"resourceSpans":[{"resource":{"attributes":[{"key":"r","value":{"boolValue":true}}]},"#
                + #""scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","#
                + #""spanId":"b7ad6b7169203331","parentSpanId":"0000000000000001","name":"a","kind":3,"#
                + #""startTimeUnixNano":"2","endTimeUnixNano":"3","attributes":[{"key":"n","value":{"intValue":"-1"}},"#
                + #"{"key":"e","value":{"stringValue":""}}],"status":{"message":"x","code":2},"flags":259}]}]}]}"#)
        #expect(
            self.hex(OTLPSchema.traces, request)
                // resource_spans, resource, attributes: r = true
                == "0a79" + "0a09" + "0a07" + "0a0172" + "12021001"
                // scope_spans, scope, spans
                + "126c" + "0a03" + "0a0173" + "1265"
                + "0a10" + "0af7651916cd43dd8448eb211c80319c" + "1208" + "b7ad6b7169203331"
                + "2208" + "0000000000000001" + "2a0161" + "3003"
                + "39" + "0200000000000000" + "41" + "0300000000000000"
                // attributes: n = -1, e = ""
                + "4a10" + "0a016e" + "120b" + "18ffffffffffffffffff01" + "4a07" + "0a0165" + "12020a00"
                // status, flags
                + "7a05" + "120178" + "1802" + "850103010000")
    }

    @Test func `a log record has the bytes and the text of the protocol`() {
        let record = OTLPLogRecord(time: 1, severity: 9, severityText: "info", body: "b", trace: OTLPSamples.context)
        let request = OTLPRequest(resource: [], scope: OTLPScope(name: ""), items: [record])
        #expect(
            self.json(OTLPSchema.logs, request)
                == #"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1","#
                + #""severityNumber":9,"severityText":"info","body":{"stringValue":"b"},"flags":3,"#
                + #""traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","#
                + #""observedTimeUnixNano":"1"}]}]}]}"#
        )
        #expect(
            self.hex(OTLPSchema.logs, request)
                == "0a48" + "0a00" + "1244" + "0a00" + "1240"
                + "090100000000000000" + "1009" + "1a04696e666f" + "2a030a0162" + "4503000000"
                + "4a10" + "0af7651916cd43dd8448eb211c80319c" + "5208" + "b7ad6b7169203331" + "590100000000000000")
    }

    @Test func `a histogram has the bytes and the text of the protocol`() {
        let point = OTLPHistogramPoint(
            attributes: [], start: 1, time: 2, count: 3, sum: 0, bounds: [1], bucketCounts: [1, 2])
        let metric = OTLPMetric(name: "h", description: "", unit: "s", data: .histogram([point], .delta))
        let request = OTLPRequest(resource: [], scope: OTLPScope(name: ""), items: [metric])
        #expect(
            self.json(OTLPSchema.metrics, request)
                == #"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[{"name":"h","unit":"s","#
                + #""histogram":{"dataPoints":[{"startTimeUnixNano":"1","timeUnixNano":"2","count":"3","sum":0.0,"#
                + #""bucketCounts":["1","2"],"explicitBounds":[1.0]}],"aggregationTemporality":1}}]}]}]}"#)
        #expect(
            self.hex(OTLPSchema.metrics, request)
                == "0a54" + "0a00" + "1250" + "0a00" + "124c" + "0a0168" + "1a0173" + "4a44" + "0a40"
                + "110100000000000000" + "190200000000000000" + "210300000000000000" + "290000000000000000"
                + "3210" + "01000000000000000200000000000000" + "3a08" + "000000000000f03f" + "1001")
    }

    @Test func `no attribute is longer than New Relic takes, wherever it comes from`() {
        let long = String(repeating: "é", count: 5000)
        let attributes = (0..<130).map { OTLPAttribute("\($0)", .array([.string(long)])) }
        let record = OTLPLogRecord(time: 1, severity: 9, severityText: "", body: .string(long), attributes: attributes)
        let request = OTLPRequest(resource: attributes, scope: OTLPScope(name: ""), items: [record])
        let text = self.json(OTLPSchema.logs, request)
        // Those of the resource, the first 128 of the record; and its body, which is no attribute.
        #expect(text.matches(of: #/"é{4089}…\[cut\]"/#).count == 130 + 128)
        #expect(text.matches(of: #/"é{5000}"/#).count == 1)
        #expect(text.contains(#""droppedAttributesCount":2"#))
    }

    @Test func `the text is JSON whatever is in it`() throws {
        for bytes in [
            OTLPSchema.traces.encode(OTLPSamples.traces, as: .json),
            OTLPSchema.logs.encode(OTLPSamples.logs, as: .json),
            OTLPSchema.metrics.encode(OTLPSamples.metrics, as: .json),
        ] { _ = try JSONSerialization.jsonObject(with: Data(bytes)) }
        var writer = OTLPJSONWriter()
        writer.array([[], [1], [1, 2], [1, 2, 3]]) { $0.base64($1) }
        writer.double(.nan)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"["","AQ==","AQI=","AQID"]"NaN""#)
    }

    /// With `OTLP_SAMPLES` set, the samples lie there afterwards, for `Tests/EndToEndTests/Tools/otlp-referee.py`.
    @Test func `both forms of the samples can be handed to the referee`() throws {
        let lines = OTLPSamples.refereeLines
        #expect(lines.split(separator: "\n").count == 606)
        guard let path = ProcessInfo.processInfo.environment["OTLP_SAMPLES"] else { return }
        try lines.write(toFile: path, atomically: true, encoding: .utf8)
    }
}
