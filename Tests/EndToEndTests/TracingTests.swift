// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What leaves the real program for a collector.
@Suite(.endToEnd) struct TracingTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"

    private func environment(_ collector: RecordingCollector) -> [String: String] {
        [
            "LOG_LEVEL": "info", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_BLRP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "300",
        ]
    }

    @Test func `a request is traced to its statements, and no value leaves`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let server = try await drillServer(self.environment(collector))
        let answer = try await RawClient.exchange(
            port: try await server.port, "POST", "/_drill/transaction?value=CANARYQUERY",
            fields:
                "traceparent: 00-\(Self.trace)-b7ad6b7169203331-01\r\nX-Patient: CANARYFIELD\r\nUser-Agent: CANARYAGENT\r\n",
            body: "CANARYBODY")
        #expect(answer.status == 201)
        try await eventually("the spans have come") {
            let text = collector.text("/v1/traces")
            return ["POST /_drill/transaction", "INSERT INTO drill_rows (value) VALUES ($1)", #""commit""#].allSatisfy(
                text.contains)
        }
        let traces = collector.text("/v1/traces")
        #expect(traces.contains(#""traceId":"\#(Self.trace)""#))
        #expect(traces.contains(#""parentSpanId":"b7ad6b7169203331""#))
        #expect(traces.contains(#""key":"http.route","value":{"stringValue":"/_drill/transaction"}"#))
        #expect(traces.contains(#""key":"service.name","value":{"stringValue":"medbuilder"}"#))

        let record = try await server.record("Request answered")
        #expect(record.field("trace.id") == Self.trace)
        #expect(record.field("span.id").map { traces.contains(#""spanId":"\#($0)""#) } == true)
        try await eventually("the records have come") {
            collector.text("/v1/logs").contains(#""body":{"stringValue":"Request answered"}"#)
        }
        try await eventually("the metrics have come by their names there") {
            let metrics = collector.text("/v1/metrics")
            return [
                "http.server.request.duration", "db.client.operation.duration",
                #""key":"http.response.status_code","value":{"intValue":"201"}"#,
                #""key":"url.scheme","value":{"stringValue":"http"}"#,
                #""key":"db.system.name","value":{"stringValue":"sqlite"}"#,
            ].allSatisfy(metrics.contains)
        }
        // The spans of requests and statements say the same.
        for attribute in [#""key":"url.scheme","value":{"stringValue":"http"}"#, #""key":"db.system.name""#] {
            #expect(traces.contains(attribute))
        }
        // The replica has one name in the log and in everything that leaves.
        let instance = try #require(record.field("service.node.name"))
        for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
            #expect(
                collector.text(path).contains(#""key":"service.instance.id","value":{"stringValue":"\#(instance)"}"#))
        }
        let beginning = try await server.record("Telemetry is sent")
        for signal in ["traces", "metrics", "logs"] {
            #expect(beginning.field("otlp.\(signal)")?.hasPrefix("127.0.0.1:") == true)
        }
        let page = try await RawClient.exchange(
            port: try await server.port, "GET", "/metrics", fields: "Accept: application/openmetrics-text\r\n")
        #expect(page.text.contains(##" # {trace_id="\##(Self.trace)",span_id=""##))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        // Every byte that has left the process, but the answers that its own client got.
        for text in [collector.everything, server.process.outputText, server.process.errorText, page.text] {
            #expect(!text.contains("CANARY"))
        }
    }

    @Test func `the log is of the service that the variables name, and says what is set in vain`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let server = try await drillServer(
            self.environment(collector).merging([
                "LOG_LEVEL": "info", "OTEL_SERVICE_NAME": "clinic", "OTEL_EXPORTER_OLTP_HEADERS": "key=secret",
                "OTEL_RESOURCE_ATTRIBUTES":
                    "service.instance.id=pod-7,deployment.environment.name=blue,service.version=9.9.9",
            ]) { $1 })
        let record = try await server.record("Settings of telemetry not used")
        #expect(record.field("otlp.variables") == "OTEL_EXPORTER_OLTP_HEADERS")
        #expect(record.field("service.name") == "clinic")
        #expect(record.field("service.node.name") == "pod-7")
        #expect(record.field("service.environment") == "blue")
        #expect(record.field("event.dataset") == "clinic.log")
        #expect(record.field("service.version") == "9.9.9")
        // What made the records is this program, whatever the service calls itself.
        try await eventually("records have come") { collector.text("/v1/logs").contains(#""scope":{"#) }
        #expect(!collector.text("/v1/logs").contains(#""scope":{"name":"medbuilder","version":"9.9.9""#))
        #expect(collector.text("/v1/logs").contains(#""scope":{"name":"medbuilder","version":""#))
        _ = try await server.get("/_drill/hello")
        #expect(try await server.record("Request answered").field("event.dataset") == "clinic.access")
    }

    @Test func `metrics that are off are set in vain, and a log has its name although nothing leaves`() async throws {
        let off = try await drillServer([
            "METRICS": "off", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1/v1/metrics",
            "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=",
        ])
        let record = try await off.record("Settings of telemetry not used")
        #expect(record.field("otlp.variables") == "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        #expect(record.field("service.node.name")?.count == 32)
        let disabled = try await drillServer(["OTEL_SDK_DISABLED": "true", "OTEL_SERVICE_NAME": "clinic"])
        #expect(
            try await disabled.record("serving on port \(try await disabled.port)").field("service.name") == "clinic")
    }

    @Test func `without metrics there are traces nevertheless`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let server = try await drillServer(self.environment(collector).merging(["METRICS": "off"]) { $1 })
        #expect(try await server.get("/metrics").status == 404)
        #expect(try await server.get("/_drill/rows").status == 200)
        try await eventually("the spans have come") { collector.text("/v1/traces").contains("SELECT count(*)") }
        let beginning = try await server.record("Telemetry is sent")
        #expect(beginning.field("otlp.traces") != nil)
        #expect(beginning.field("otlp.metrics") == nil)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(collector.text("/v1/metrics").isEmpty)
    }

    @Test func `a failure is traced although nothing is sampled, unless the caller says no`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let server = try await drillServer(
            self.environment(collector).merging(["OTEL_TRACES_SAMPLER": "always_off"]) { $1 })
        #expect(try await server.get("/_drill/hello").status == 200)
        let refusing = try await RawClient.exchange(
            port: try await server.port, "GET", "/_drill/throw",
            fields: "traceparent: 00-\(Self.trace)-b7ad6b7169203331-00\r\n")
        #expect(refusing.status == 500)
        #expect(try await server.get("/_drill/throw").status == 500)
        try await eventually("the failure has come") { collector.text("/v1/traces").contains("GET /_drill/throw") }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(!collector.text("/v1/traces").contains("/_drill/hello"))
        #expect(!collector.text("/v1/traces").contains(Self.trace))
    }

    @Test func `a collector that is away costs nobody anything, and the next start sends what it missed`() async throws
    {
        let port: Int
        do {
            let gone = try RecordingCollector()
            port = gone.port
            gone.stop()
        }
        let environment = [
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(port)", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        ]
        let first = try await drillServer(environment)
        #expect(try await first.get("/_drill/hello").status == 200)
        first.send(SIGTERM)
        #expect(try await first.waitForExit() == .code(0))
        let spool = try testFolder().appending(path: ".medbuilder/otlp")
        #expect(try FileManager.default.contentsOfDirectory(atPath: spool.path).isEmpty == false)
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let second = try await drillServer(self.environment(collector))
        try await eventually("what was missed has come") { collector.text("/v1/traces").contains("GET /_drill/hello") }
        second.send(SIGTERM)
        #expect(try await second.waitForExit() == .code(0))
    }

    @Test func `a collector whose authority nobody knows is trusted if its certificate is named, and not otherwise`()
        async throws
    {
        // Another server of ours takes the part of the collector: what it does with the spans is to send them back.
        let collector = try await startHealthy(tls: true)
        let authority = try #require(collector.certificate?.authority.path)
        let url = "https://localhost:\(try await collector.process.port)/_drill/echo"
        let environment = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
        ]
        let trusting = try await drillServer(environment.merging(["OTEL_EXPORTER_OTLP_CERTIFICATE": authority]) { $1 })
        #expect(try await trusting.get("/_drill/hello").status == 200)
        try await eventually("the span is taken") {
            let page = try await trusting.get("/metrics").text
            return page.contains(#"otlp_items_total{signal="traces",outcome="exported"}"#)
                && !page.contains(#"otlp_items_total{signal="traces",outcome="exported"} 0"#)
        }
        let wary = try await drillServer(environment)
        #expect(try await wary.get("/_drill/hello").status == 200)
        let record = try await wary.record("Telemetry is not taken")
        #expect(
            record.field("error.message")
                == "No TLS with the collector: a certificate is not trusted, or it speaks no TLS there.")
        #expect(
            try await wary.get("/metrics").text.contains(#"otlp_items_total{signal="traces",outcome="exported"} 0"#))
    }

    @Test(arguments: [0, 42, 99]) func `a status that HTTP does not have is a failure of the collector alone`(
        status: Int
    )
        async throws
    {
        let collector = try RecordingCollector { _ in status }
        defer { collector.stop() }
        let server = try await drillServer(self.environment(collector))
        #expect(try await server.get("/_drill/hello").status == 200)
        let record = try await server.record("Telemetry is not taken")
        #expect(record.field("error.message") == "What the collector answered is not HTTP.")
        #expect(record.field("server.address") == "127.0.0.1")
        #expect(record.field("server.port") == "\(collector.port)")
        #expect(try await server.get("/ready").status == 200)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a collector that never says a word does not hold up the end`() async throws {
        let silent = try SilentListener()
        let server = try await drillServer([
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:\(silent.port)", "SHUTDOWN_DEADLINE_SECONDS": "8",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        ])
        #expect(try await server.get("/_drill/hello").status == 200)
        // Somebody is connecting by then.
        try await Task.sleep(for: .milliseconds(300))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `wrong settings of OpenTelemetry are refused, all of them`() async throws {
        let refused = try await run(
            "serve",
            environment: [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_TRACES_SAMPLER_ARG": "2", "OTEL_TRACES_SAMPLER": "traceidratio",
            ])
        #expect(refused.exit == .code(78))
        #expect(refused.errors.contains("grpc") && refused.errors.contains("OTEL_TRACES_SAMPLER_ARG"), "\(refused)")
    }
}
