// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing
import Tracing

@testable import MedTelemetry

@Suite struct OTLPExporterTests {
    private let clock = TestClock()

    /// Nothing is sent before a flush, unless a batch is full.
    private func configuration(
        _ collector: Collector, form: OTLPProtocol = .json, isCompressed: Bool = false,
        headers: [OTLPEndpoint.Header] = [], timeout: Duration = .seconds(3600),
        batching: OTLPBatching = OTLPBatching(delay: TestClock.never, exportTimeout: .seconds(100_000))
    ) -> OTLPConfiguration {
        var configuration = OTLPConfiguration()
        func endpoint(_ signal: OTLPSignal) -> OTLPEndpoint {
            OTLPEndpoint(
                url: "\(collector.url)/v1/\(signal.rawValue)", headers: headers, form: form,
                isCompressed: isCompressed, timeout: timeout)
        }
        configuration.traces = endpoint(.traces)
        configuration.logs = endpoint(.logs)
        configuration.metrics = endpoint(.metrics)
        configuration.spanBatching = batching
        configuration.logBatching = batching
        configuration.metricInterval = TestClock.never
        return configuration
    }

    private func exporter(
        _ configuration: OTLPConfiguration, spool: OTLPSpool? = nil, metrics: (@Sendable () -> [OTLPMetric])? = nil,
        clock: TelemetryClock? = nil
    ) -> OTLPExporter {
        OTLPExporter(
            configuration, resource: OTLPSamples.resource, scope: OTLPSamples.scope, spool: spool, metrics: metrics,
            clock: clock ?? self.clock.clock, random: { 1 })
    }

    private func span(_ name: String, attributes: [OTLPAttribute] = []) -> FinishedSpan {
        FinishedSpan(context: OTLPSamples.context, name: name, start: 1, end: 2, attributes: attributes)
    }

    private func log(_ body: String) -> OTLPLogRecord {
        OTLPLogRecord(time: 1, severity: 9, severityText: "info", body: .string(body))
    }

    private func counter(_ value: Int64) -> OTLPMetric {
        OTLPMetric(
            name: "c", description: "", unit: "1",
            data: .sum(
                [OTLPNumberPoint(attributes: [], start: 1, time: 2, value: .int(value))], isMonotonic: true,
                .cumulative))
    }

    /// The names of the spans in bodies of JSON.
    private func names(_ bodies: [[UInt8]]) -> [String] {
        bodies.flatMap { body in
            String(decoding: body, as: UTF8.self).matches(of: #/"name":"(span[0-9]*)"/#).map { String($0.output.1) }
        }
    }

    private func folder() -> String {
        FileManager.default.temporaryDirectory.appending(path: "otlp-\(UUID().uuidString)")
            .path(percentEncoded: false)
    }

    private func files(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }

    private func gunzip(_ bytes: [UInt8]) throws -> [UInt8] {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).gz")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", file.path(percentEncoded: false)]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Array(output)
    }

    // MARK: What is sent

    @Test(arguments: [OTLPProtocol.protobuf, .json])
    func `every signal goes to its path, with headers and a type`(form: OTLPProtocol) async throws {
        let collector = try Collector()
        defer { collector.stop() }
        let headers = [OTLPEndpoint.Header(name: "api-key", value: "k")]
        let exporter = self.exporter(
            self.configuration(collector, form: form, headers: headers), metrics: { [self.counter(1)] })
        exporter.start()
        exporter.record(self.span("span"))
        exporter.record(self.log("log"))
        await exporter.flush()
        let requests = collector.requests
        #expect(Set(requests.map(\.path)) == ["/v1/traces", "/v1/logs", "/v1/metrics"])
        for request in requests {
            #expect(request.method == "POST")
            #expect(request.headers["api-key"] == "k")
            #expect(request.headers["content-type"] == form.contentType)
            #expect(request.headers["content-encoding"] == nil)
            #expect(request.headers["traceparent"] == nil)
        }
        let traces = try #require(requests.first { $0.path == "/v1/traces" })
        let expected = OTLPRequest(
            resource: OTLPSamples.resource, scope: OTLPSamples.scope, items: [self.span("span")])
        #expect(traces.body == OTLPSchema.traces.encode(expected, as: form))
        #expect(exporter.exportedBatches == 3)
        #expect(exporter.counters(of: .traces).exported == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a body is compressed if it shall be`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector, isCompressed: true))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        let request = try #require(collector.requests.first)
        #expect(request.headers["content-encoding"] == "gzip")
        #expect(self.names([try self.gunzip(request.body)]) == ["span"])
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a full batch does not wait`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(
            self.configuration(collector, batching: OTLPBatching(delay: TestClock.never, batchLimit: 3)))
        exporter.start()
        for number in 0..<3 { exporter.record(self.span("span\(number)")) }
        #expect(self.names(try await collector.requests(1).map(\.body)) == ["span0", "span1", "span2"])
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `what waits is sent after the delay`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        var configuration = self.configuration(collector, batching: OTLPBatching(delay: .milliseconds(20)))
        configuration.metricInterval = .milliseconds(20)
        let exporter = self.exporter(configuration, metrics: { [self.counter(1)] }, clock: .system)
        exporter.start()
        exporter.record(self.span("span"))
        exporter.record(self.log("log"))
        while Set(collector.requests.map(\.path)).count < 3 { try await Task.sleep(for: .milliseconds(2)) }
        await exporter.shutdown(within: .seconds(3600))
    }

    @Test func `no body is larger than a megabyte, and nothing is lost`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        // Quotation marks double in JSON: what is estimated before is wrong by half.
        let attributes = (0..<20).map { OTLPAttribute("k\($0)", .string(String(repeating: "\"", count: 4095))) }
        let points = (0..<4000).map { number in
            OTLPNumberPoint(
                attributes: [OTLPAttribute("n", .string("\(number)" + String(repeating: "x", count: 300)))], start: 1,
                time: 2, value: .int(1))
        }
        let metric = OTLPMetric(name: "many", description: "", unit: "1", data: .gauge(points))
        let exporter = self.exporter(self.configuration(collector), metrics: { [metric] })
        exporter.start()
        for number in 0..<60 { exporter.record(self.span("span\(number)", attributes: attributes)) }
        await exporter.flush()
        let requests = collector.requests
        #expect(requests.allSatisfy { $0.body.count <= 1_000_000 })
        let traces = requests.filter { $0.path == "/v1/traces" }.map(\.body)
        #expect(traces.count < 30)
        #expect(self.names(traces) == (0..<60).map { "span\($0)" })
        #expect(exporter.counters(of: .metrics).exported == 4000)
        #expect(requests.count { $0.path == "/v1/metrics" } > 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `what is too large for any body is dropped and counted, and the rest is sent`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span1"))
        exporter.record(
            self.span("span2", attributes: [OTLPAttribute("k", .bytes([UInt8](repeating: 0, count: 900_000)))]))
        exporter.record(self.span("span3"))
        await exporter.flush()
        #expect(self.names(collector.requests.map(\.body)) == ["span1", "span3"])
        #expect(exporter.droppedSpans == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `the exporter's own requests are in no trace`() async {
        // A process of its own, because its tracer is for all.
        await #expect(processExitsWith: .success) {
            let spans = SpanList()
            InstrumentationSystem.bootstrap(RecordingTracer(redact: { $0 }, sink: { spans.add($0) }))
            let collector = try Collector()
            var configuration = OTLPConfiguration()
            configuration.traces = OTLPEndpoint(url: collector.url)
            let exporter = OTLPExporter(configuration, resource: [], scope: OTLPScope(name: ""))
            exporter.start()
            await InstrumentationSystem.tracer.withSpan("request") { _ in
                exporter.record(FinishedSpan(context: OTLPSamples.context, name: "a", start: 1, end: 2))
                await exporter.flush()
            }
            try #require(collector.requests.count == 1)
            #expect(collector.requests[0].headers["traceparent"] == nil)
            #expect(spans.names == ["request"])
            await exporter.shutdown(within: .seconds(3600))
        }
    }

    @Test func `metrics are deltas if they shall be`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        var configuration = self.configuration(collector)
        configuration.temporality = .delta
        let value = Atomic<Int64>(5)
        let exporter = self.exporter(configuration) { [self.counter(value.load(ordering: .relaxed))] }
        exporter.start()
        await exporter.flush()
        value.store(7, ordering: .relaxed)
        await exporter.flush()
        let bodies = collector.requests.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.map { $0.contains(#""asInt":"5""#) } == [true, false])
        #expect(bodies.map { $0.contains(#""asInt":"2""#) } == [false, true])
        #expect(bodies.allSatisfy { $0.contains(#""aggregationTemporality":1"#) })
        await exporter.shutdown(within: TestClock.never)
    }

    // MARK: Collectors that fail

    @Test(arguments: [429, 502, 503, 504])
    func `a collector that is busy is asked again, after ever longer pauses`(status: Int) async throws {
        let collector = try Collector { index, _ in index < 7 ? .answer(status) : .ok }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(collector.requests.count == 8)
        #expect(Set(collector.requests.map(\.body)).count == 1)
        #expect(self.clock.pauses == [1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
        #expect(exporter.counters(of: .traces).retries == 7)
        #expect(exporter.counters(of: .traces).exported == 1)
        #expect(exporter.droppedSpans == 0)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `pauses differ between processes`() {
        #expect(OTLPBackOff.pause(attempt: 3, random: 0) == .seconds(2))
        #expect(OTLPBackOff.pause(attempt: 3, random: 0.5) == .seconds(3))
        #expect(OTLPBackOff.pause(attempt: .max, random: 1) == .seconds(30))
    }

    @Test func `a pause that the collector asks for is kept, in seconds or as a date`() async throws {
        let answers = [
            "7", "Mon, 01 Jan 2024 00:01:30 GMT", "0", "Sun, 31 Dec 2023 00:00:00 GMT", "soon", "99999999999999999999",
        ]
        let collector = try Collector { index, _ in
            index < answers.count ? .answer(503, headers: ["Retry-After": answers[index]]) : .ok
        }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        // Without a pause, and without sense, our own ones; never more than ten minutes.
        #expect(self.clock.pauses == [7, 90, 4, 8, 16, 600].map { .seconds($0) })
        #expect(exporter.counters(of: .traces).exported == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test(arguments: [400, 401, 404, 408, 413, 500, 301, 307])
    func `a collector that refuses is not asked again`(status: Int) async throws {
        let other = try Collector()
        let collector = try Collector { index, _ in
            index == 0 ? .answer(status, headers: ["Location": "\(other.url)/stolen"]) : .ok
        }
        defer {
            collector.stop()
            other.stop()
        }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span1"))
        await exporter.flush()
        exporter.record(self.span("span2"))
        await exporter.flush()
        #expect(collector.requests.count == 2)
        // The headers hold a key: no other address gets them.
        #expect(other.requests.isEmpty)
        #expect(exporter.droppedSpans == 1)
        #expect(exporter.failedBatches == 1)
        #expect(exporter.counters(of: .traces).lastFailure == .status(status))
        #expect(exporter.exportedBatches == 1)
        #expect(self.clock.pauses == [])
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a connection that breaks, or an answer that does, is tried again`() async throws {
        let replies: [Collector.Reply] = [.close, .half, .close, .ok]
        let collector = try Collector { index, _ in replies[index] }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(collector.requests.count == 4)
        #expect(exporter.counters(of: .traces).lastFailure == .connectionClosed)
        #expect(exporter.counters(of: .traces).exported == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a collector that is not there is known as such at once`() async throws {
        let collector = try Collector()
        let configuration = self.configuration(
            collector, batching: OTLPBatching(delay: TestClock.never, exportTimeout: .seconds(10)))
        collector.stop()
        let exporter = self.exporter(configuration)
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(self.clock.pauses == [1, 2, 4].map { .seconds($0) })
        #expect(exporter.counters(of: .traces).lastFailure == .connectionFailed)
        #expect(exporter.droppedSpans == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a flush ends although more comes all the time`() async throws {
        let exporters = Mutex<OTLPExporter?>(nil)
        let collector = try Collector { index, _ in
            if index < 100 { exporters.withLock { $0 }?.record(self.span("span\(index)")) }
            return .ok
        }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporters.withLock { $0 = exporter }
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(collector.requests.count == 1)
        // The end sends it all.
        await exporter.shutdown(within: TestClock.never)
        #expect(collector.requests.count == 101)
        exporters.withLock { $0 = nil }
    }

    @Test func `items that fill the queue before they fill a batch do not wait`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        let large = self.span("span", attributes: [OTLPAttribute("k", .bytes([UInt8](repeating: 0, count: 500_000)))])
        for _ in 0..<70 { exporter.record(large) }
        _ = try await collector.requests(1)
        #expect(exporter.droppedSpans > 0)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `an answer without an end is left`() async throws {
        let collector = try Collector { _, _ in .endless }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(exporter.counters(of: .traces).exported == 1)
        await exporter.shutdown(within: TestClock.never)
        // Besides what lies in buffers of the system.
        #expect(collector.sentByteCount < 32_000_000)
    }

    @Test func `what cannot be sent is given up, and what follows is sent`() async throws {
        let isBack = Atomic(false)
        let collector = try Collector { _, _ in isBack.load(ordering: .relaxed) ? .ok : .answer(503) }
        defer { collector.stop() }
        let exporter = self.exporter(
            self.configuration(
                collector, batching: OTLPBatching(delay: TestClock.never, exportTimeout: .seconds(10))))
        exporter.start()
        exporter.record(self.span("span1"))
        await exporter.flush()
        #expect(self.clock.pauses == [1, 2, 4].map { .seconds($0) })
        #expect(exporter.droppedSpans == 1)
        #expect(exporter.failedBatches == 1)
        isBack.store(true, ordering: .relaxed)
        exporter.record(self.span("span2"))
        await exporter.flush()
        #expect(exporter.counters(of: .traces).exported == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a pause that the collector asks for takes no longer than all attempts may`() async throws {
        let collector = try Collector { _, _ in .answer(429, headers: ["Retry-After": "20"]) }
        defer { collector.stop() }
        let exporter = self.exporter(
            self.configuration(
                collector, batching: OTLPBatching(delay: TestClock.never, exportTimeout: .seconds(30))))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(self.clock.pauses == [.seconds(20), .seconds(10)])
        #expect(collector.requests.count == 3)
        #expect(exporter.counters(of: .traces).losses == [.status(429): 1])
        #expect(exporter.droppedSpans == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a collector that asks for pauses for ever is given up too`() async throws {
        let collector = try Collector { _, _ in .answer(503, headers: ["Retry-After": "600"]) }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(collector.requests.count == 10)
        #expect(exporter.droppedSpans == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `with a collector that hangs nobody waits, and memory is bounded`() async throws {
        let collector = try Collector { _, _ in .hang }
        defer { collector.stop() }
        let exporter = self.exporter(
            self.configuration(
                collector, batching: OTLPBatching(delay: TestClock.never, queueLimit: 100, batchLimit: 10)))
        exporter.start()
        exporter.record(self.span("span"))
        async let flush: Void = exporter.flush()
        _ = try await collector.requests(1)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { exporter.record(self.span("span")) } }
            }
        }
        #expect(exporter.droppedSpans == 7900)
        // No time is left: what is under way is abandoned, and lost without a spool.
        #expect(exporter.counters(of: .traces).losses == [.queueFull: 7900])
        await exporter.shutdown(within: .zero)
        await flush
        #expect(exporter.droppedSpans == 8001)
        #expect(exporter.counters(of: .traces).losses == [.queueFull: 7900, .notSpooled: 101])
        #expect(exporter.counters(of: .traces).lastFailure == .shutDown)
    }

    @Test func `a request ends after its timeout`() async throws {
        let collector = try Collector { index, _ in index == 0 ? .hang : .ok }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector, timeout: .seconds(2)))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(collector.requests.count >= 2)
        #expect(exporter.counters(of: .traces).exported == 1)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a queue is bounded in bytes too`() {
        let queue = OTLPQueue<Int>(limit: 1000)
        for _ in 0..<33 { #expect(queue.append(1, size: 1_000_000) != nil) }
        #expect(queue.append(1, size: 1_000_000) == nil)
        #expect(queue.take(1000).count == 1)
        #expect(queue.append(1, size: 1_000_000) != nil)
    }

    // MARK: Partial success

    @Test func `what the collector rejects is counted and not sent again`() async throws {
        // partial_success { rejected_spans: 2, error_message: "no" }
        let protobuf: [UInt8] = [0x0a, 0x06, 0x08, 0x02, 0x12, 0x02, 0x6e, 0x6f]
        let json = Array(#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}"#.utf8)
        for (form, body) in [(OTLPProtocol.protobuf, protobuf), (.json, json)] {
            let collector = try Collector { _, request in
                .answer(200, headers: ["Content-Type": request.headers["content-type"] ?? ""], body: body)
            }
            defer { collector.stop() }
            let exporter = self.exporter(self.configuration(collector, form: form))
            exporter.start()
            for _ in 0..<3 { exporter.record(self.span("span")) }
            await exporter.flush()
            #expect(collector.requests.count == 1)
            #expect(exporter.droppedSpans == 2)
            #expect(exporter.counters(of: .traces).exported == 1)
            await exporter.shutdown(within: TestClock.never)
        }
    }

    @Test func `a collector that lies about what it rejects is believed as far as possible`() {
        func rejected(_ text: String) -> Int { OTLPAnswer.rejected(Array(text.utf8), isJSON: true, signal: .logs) }
        #expect(rejected(#"{"partialSuccess":{"rejectedLogRecords":3}}"#) == 3)
        #expect(rejected(#"{"partialSuccess":{"rejectedLogRecords":"-3"}}"#) == 0)
        #expect(rejected(#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#) == 0)
        #expect(rejected(#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":{"a":[]}}}"#) == 0)
        #expect(rejected(#"{"partialSuccess":[]}"#) == 0)
        #expect(rejected("<html>") == 0)
        #expect(rejected("") == 0)
        #expect(rejected(String(repeating: "[", count: 60_000)) == 0)
        func rejectedBytes(_ bytes: [UInt8]) -> Int { OTLPAnswer.rejected(bytes, isJSON: false, signal: .logs) }
        #expect(rejectedBytes([0x0a, 0x02, 0x08, 0x05]) == 5)
        // Minus one; cut off; a length beyond all; a group; another field in between.
        #expect(rejectedBytes([0x0a, 0x0b, 0x08] + [UInt8](repeating: 0xff, count: 9) + [0x01]) == 0)
        #expect(rejectedBytes([0x0a, 0x05, 0x08]) == 0)
        #expect(rejectedBytes([0x0a] + [UInt8](repeating: 0xff, count: 9) + [0x7f]) == 0)
        #expect(rejectedBytes([0x0b]) == 0)
        #expect(rejectedBytes([0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x02, 0x08, 0x05]) == 5)
        for length in 0..<64 {
            // Nothing that comes in is worth a crash.
            _ = rejectedBytes((0..<length).map { _ in .random(in: 0...255) })
        }
    }

    @Test func `more rejected than sent counts as all`() async throws {
        let collector = try Collector { _, _ in
            .answer(200, body: Array(#"{"partialSuccess":{"rejectedSpans":"99"}}"#.utf8))
        }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.flush()
        #expect(exporter.droppedSpans == 1)
        #expect(exporter.counters(of: .traces).exported == 0)
        await exporter.shutdown(within: TestClock.never)
    }

    // MARK: The end

    @Test func `at the end the rest is sent, with a last report`() async throws {
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector), metrics: { [self.counter(1)] })
        exporter.start()
        for number in 0..<1500 { exporter.record(self.span("span\(number)")) }
        exporter.record(self.log("log"))
        await exporter.shutdown(within: TestClock.never)
        #expect(Set(collector.requests.map(\.path)) == ["/v1/traces", "/v1/logs", "/v1/metrics"])
        #expect(self.names(collector.requests.filter { $0.path == "/v1/traces" }.map(\.body)).count == 1500)
        exporter.record(self.span("late"))
        #expect(exporter.droppedSpans == 1)
        #expect(exporter.counters(of: .traces).losses == [.afterShutdown: 1])
        // Neither waits for anything any more.
        await exporter.flush()
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `what cannot be sent at the end is sent first at the next start`() async throws {
        let collector = try Collector { _, _ in .answer(503) }
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spool = OTLPSpool(folder: folder)
        let configuration = self.configuration(collector, isCompressed: true)
        // A full batch is sent at once, and refused: it must not be given up before the end.
        let first = self.exporter(
            configuration, spool: spool, metrics: { [self.counter(1)] }, clock: TestClock.stopped)
        first.start()
        for number in 0..<600 { first.record(self.span("span\(number)")) }
        first.record(self.log("log"))
        await first.shutdown(within: TestClock.never)
        collector.stop()
        #expect(first.counters(of: .traces).spooledBatches == 2)
        #expect(first.droppedSpans == 0)
        #expect(self.files(folder).count == 4)
        for file in self.files(folder) {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
        #expect(try FileManager.default.attributesOfItem(atPath: folder)[.posixPermissions] as? Int == 0o700)

        let back = try Collector()
        defer { back.stop() }
        let second = self.exporter(self.configuration(back), spool: spool)
        second.record(self.span("span600"))
        second.start()
        await second.flush()
        await second.shutdown(within: TestClock.never)
        let traces = back.requests.filter { $0.path == "/v1/traces" }
        #expect(traces.map { $0.headers["content-encoding"] } == ["gzip", "gzip", nil])
        let bodies = try traces.map { $0.headers["content-encoding"] == "gzip" ? try self.gunzip($0.body) : $0.body }
        #expect(self.names(bodies) == (0...600).map { "span\($0)" })
        #expect(second.counters(of: .traces).exported == 601)
        // The second one reports no metrics: those stay for one that does.
        #expect(self.files(folder).map { $0.contains("-metrics-") } == [true])
    }

    @Test func `the last report is kept although the one before it is not sent`() async throws {
        let collector = try Collector { _, _ in .hang }
        defer { collector.stop() }
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var configuration = self.configuration(collector)
        configuration.temporality = .delta
        let value = Atomic<Int64>(5)
        let exporter = self.exporter(
            configuration, spool: OTLPSpool(folder: folder),
            metrics: { [self.counter(value.load(ordering: .relaxed))] })
        exporter.start()
        async let flush: Void = exporter.flush()
        _ = try await collector.requests(1)
        value.store(7, ordering: .relaxed)
        await exporter.shutdown(within: .zero)
        await flush
        let texts = try self.files(folder).map { try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8) }
        #expect(texts.map { $0.contains(#""asInt":"5""#) } == [true, false])
        #expect(texts.map { $0.contains(#""asInt":"2""#) } == [false, true])
    }

    @Test func `a collector that hangs at the end costs the time that is left, and nothing else`() async throws {
        let collector = try Collector { _, _ in .hang }
        defer { collector.stop() }
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let exporter = self.exporter(
            self.configuration(collector), spool: OTLPSpool(folder: folder), clock: .system)
        exporter.start()
        exporter.record(self.span("span1"))
        async let flush: Void = exporter.flush()
        _ = try await collector.requests(1)
        exporter.record(self.span("span2"))
        await exporter.shutdown(within: .milliseconds(50))
        await flush
        #expect(exporter.counters(of: .traces).spooledBatches == 2)
        let bodies = try self.files(folder).map { [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/\($0)"))) }
        #expect(self.names(bodies) == ["span1", "span2"])
    }

    @Test func `an exporter that is forgotten stops nobody, and stops`() async throws {
        let collector = try Collector { _, _ in .answer(503) }
        defer { collector.stop() }
        weak var forgotten: OTLPExporter?
        for isStarted in [false, true] {
            let exporter = self.exporter(
                self.configuration(collector, batching: OTLPBatching(delay: .milliseconds(1))), clock: .system)
            exporter.record(self.span("span"))
            if isStarted { exporter.start() }
            forgotten = exporter
        }
        #expect(forgotten == nil)
    }

    @Test func `an exporter that was never started keeps what it has`() async throws {
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector), spool: OTLPSpool(folder: folder))
        exporter.record(self.span("span"))
        await exporter.flush()
        await exporter.shutdown(within: TestClock.never)
        #expect(self.files(folder).count == 1)
    }

    @Test func `without a spool a collector that is away is asked until there is no time left`() async throws {
        let collector = try Collector { index, _ in index < 3 ? .answer(503) : .ok }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector))
        exporter.start()
        exporter.record(self.span("span"))
        await exporter.shutdown(within: TestClock.never)
        #expect(exporter.counters(of: .traces).exported == 1)
    }

    @Test func `a spool that cannot be sent yet stays, and follows when the collector is back`() async throws {
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spool = OTLPSpool(folder: folder)
        let body = OTLPBody(signal: .logs, form: .json, isCompressed: false, count: 1, bytes: Array("old".utf8))
        #expect(await spool.save([body], wallNow: 1) == [true])
        let isBack = Atomic(false)
        let collector = try Collector { _, _ in isBack.load(ordering: .relaxed) ? .ok : .answer(503) }
        defer { collector.stop() }
        let exporter = self.exporter(
            self.configuration(
                collector, batching: OTLPBatching(delay: TestClock.never, exportTimeout: .seconds(10))), spool: spool)
        exporter.start()
        await exporter.flush()
        #expect(self.files(folder).count == 1)
        isBack.store(true, ordering: .relaxed)
        exporter.record(self.log("new"))
        await exporter.flush()
        #expect(self.files(folder).isEmpty)
        #expect(collector.requests.last?.body == body.bytes)
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `of the bodies that cannot be read eight stay`() async throws {
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let names = (0..<11).map { "0000000000000000000\($0 / 10)-00000\($0 % 10)-logs-1.json" }
        for name in names { try Data().write(to: URL(filePath: "\(folder)/\(name)")) }
        let collector = try Collector()
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector), spool: OTLPSpool(folder: folder))
        exporter.start()
        await exporter.flush()
        #expect(exporter.counters(of: .logs).losses == [.unreadable: 11])
        #expect(self.files(folder) == names.dropFirst(3).map { "\($0).unreadable" })
        await exporter.shutdown(within: TestClock.never)
    }

    @Test func `a spooled body for which there is no descriptor now stays where it is`() async throws {
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spool = OTLPSpool(folder: folder)
        let body = OTLPBody(signal: .logs, form: .json, isCompressed: false, count: 7, bytes: [1])
        #expect(await spool.save([body], wallNow: 2) == [true])
        let exhausted = OTLPSpool(folder: folder) { _ in
            errno = EMFILE
            return -1
        }
        let collector = try Collector()
        defer { collector.stop() }
        for (spool, left) in [(exhausted, 1), (spool, 0)] {
            let exporter = self.exporter(self.configuration(collector), spool: spool)
            exporter.start()
            await exporter.flush()
            #expect(self.files(folder).count == left)
            #expect(exporter.droppedLogs == 0)
            await exporter.shutdown(within: TestClock.never)
        }
        #expect(collector.requests.map(\.body) == [[1]])
    }

    @Test func `a spooled body that cannot be read is set aside, and counted once`() async throws {
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spool = OTLPSpool(folder: folder, limit: 100)
        let body = OTLPBody(signal: .logs, form: .json, isCompressed: false, count: 7, bytes: [1])
        #expect(await spool.save([body], wallNow: 2) == [true])
        let names = ["00000000000000000001-000000-logs-5.json", "00000000000000000001-000001-logs-6.pb.gz"]
        try Data().write(to: URL(filePath: "\(folder)/\(names[0])"))
        try Data(count: 3_000_000).write(to: URL(filePath: "\(folder)/\(names[1])"))
        let collector = try Collector()
        defer { collector.stop() }
        for lost in [11, 0] {
            let exporter = self.exporter(self.configuration(collector), spool: spool)
            exporter.start()
            await exporter.flush()
            #expect(self.files(folder) == names.map { "\($0).unreadable" })
            #expect(exporter.droppedLogs == lost)
            #expect(exporter.counters(of: .logs).losses == (lost > 0 ? [.unreadable: lost] : [:]))
            await exporter.shutdown(within: TestClock.never)
        }
        #expect(collector.requests.map(\.body) == [[1]])
        // What is set aside takes nobody's room.
        #expect(await spool.save([body], wallNow: 3) == [true])
    }

    @Test func `a spooled body that is refused is gone`() async throws {
        let folder = self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spool = OTLPSpool(folder: folder)
        let body = OTLPBody(signal: .logs, form: .json, isCompressed: false, count: 7, bytes: [1])
        #expect(await spool.save([body], wallNow: 1) == [true])
        let collector = try Collector { _, _ in .answer(400) }
        defer { collector.stop() }
        let exporter = self.exporter(self.configuration(collector), spool: spool)
        exporter.start()
        await exporter.flush()
        #expect(self.files(folder).isEmpty)
        #expect(exporter.droppedLogs == 7)
        await exporter.shutdown(within: TestClock.never)
    }
}
