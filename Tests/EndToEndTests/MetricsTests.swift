// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// `/metrics` on the real program, and what Prometheus makes of it.
@Suite(.endToEnd) struct MetricsTests {
    /// Every metric of the contract that a server without jobs and cache has, as Prometheus is asked for them.
    private static let contract = [
        "http_requests_total", "http_request_duration_seconds_count", "http_requests_in_flight",
        "database_query_duration_seconds_count", "database_pool_connections", "database_pool_max_connections",
        "database_pool_wait_seconds_count", "database_migration_version", "active_connections", "memory_usage_bytes",
        "graceful_shutdowns_total", "medbuilder_health_status", "medbuilder_ready", "medbuilder_live",
        "medbuilder_phase",
        "medbuilder_shutdown_receipts", "process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds",
        "medbuilder_build_info", "log_lines_dropped_total",
    ]

    @Test func `what happens is counted, by pattern and not by path`() async throws {
        let server = try await drillServer()
        for number in 0..<3 { #expect(try await server.get("/_drill/hello?patient=\(number)").status == 200) }
        #expect(try await server.get("/nowhere/SECRET").status == 404)
        #expect(try await server.post("/_drill/transaction?value=a").status == 201)
        let port = try await server.port
        _ = try await RawClient.exchange(port: port, "BREW", "/_drill/hello")
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        let page = try await server.get("/metrics")
        #expect(page.status == 200)
        #expect(page["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(page["cache-control"] == "no-store")
        let text = page.text
        for line in [
            #"http_requests_total{method="GET",route="/_drill/hello",status="200"} 3"#,
            #"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
            // Whose first one would else be nothing that a rate sees.
            #"http_requests_total{method="GET",route="/_drill/hello",status="500"} 0"#,
            #"http_requests_total{method="POST",route="/_drill/transaction",status="503"} 0"#,
            #"http_request_duration_seconds_count{method="POST",route="/_drill/transaction",status="201"} 1"#,
            "http_requests_in_flight 1", #"medbuilder_health_status{status="healthy"} 1"#, "medbuilder_ready 1",
            "medbuilder_live 1",
            #"medbuilder_phase{phase="serving"} 1"#, #"medbuilder_phase{phase="draining"} 0"#, "active_connections 0",
            #"database_query_duration_seconds_count{operation="insert",outcome="ok"} 1"#,
            #"database_query_duration_seconds_count{operation="commit",outcome="ok"} 1"#,
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line) is not in \(text)")
        }
        #expect(text.contains(#"{method="_OTHER",route="unmatched",status="400"} 1"#))
        #expect(!text.contains("SECRET") && !text.contains("patient") && !text.contains("BREW"))
        #expect(!text.contains(#"_count{method="GET",route="/_drill/hello",status="500"}"#))
        held.close()
    }

    @Test func `the page is what Accept asks for, compressed if that is taken`() async throws {
        let server = try await drillServer()
        let port = try await server.port
        let open = try await RawClient.exchange(
            port: port, "GET", "/metrics", fields: "Accept: application/openmetrics-text; version=1.0.0\r\n")
        #expect(open["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(open.text.hasSuffix("# EOF\n"))
        let packed = try await RawClient.exchange(
            port: port, "GET", "/metrics", fields: "Accept-Encoding: br, gzip\r\n")
        #expect(packed["content-encoding"] == "gzip")
        #expect(packed.body.starts(with: [0x1f, 0x8b]) && packed.body.count < open.body.count / 4)
        #expect(
            try await RawClient.exchange(port: port, "GET", "/metrics", fields: "Accept-Encoding: gzip;q=0\r\n")[
                "content-encoding"] == nil)
        #expect(try await RawClient.exchange(port: port, "HEAD", "/metrics").body.isEmpty)
        let refused = try await server.post("/metrics")
        #expect(refused.status == 405 && refused["allow"] == "GET, HEAD")
        #expect(try await server.get("/metrics/x").status == 404)
        for (target, status) in [
            ("http://localhost/metrics?x", 200), ("HTTP://localhost:1/metrics", 200),
            ("http://localhost/x/metrics", 404),
        ] {
            #expect(try await RawClient.exchange(port: port, "GET", target).status == status, "\(target)")
        }
        // One connection, several questions: each gets its answer in turn.
        let client = try await server.connect()
        for target in ["/metrics", "/live", "/metrics?x=y", "/_drill/hello"] {
            try await client.request("GET", target)
        }
        for _ in 0..<4 { #expect(try await client.response().status == 200) }
    }

    @Test func `who may not see health sees no metrics, and a management port has them alone`() async throws {
        let hidden = try await drillServer(["HEALTH_ALLOW": "10.0.0.0/8"])
        #expect(try await hidden.get("/metrics").status == 404)
        let off = try await drillServer(["METRICS": "off"])
        #expect(try await off.get("/metrics").status == 404)
        let server = try await drillServer(["MANAGEMENT_PORT": "0"])
        #expect(try await server.get("/metrics").status == 404)
        #expect(try await RawClient.exchange(port: managementPort(of: server), "GET", "/metrics").status == 200)
    }

    @Test func `a scraper that hardly reads holds nobody up`() async throws {
        let server = try await drillServer(["HTTP_BODY_TIMEOUT_SECONDS": "1"])
        var slow: [RawClient] = []
        for _ in 0..<20 {
            let client = try await server.connect(receiveBuffer: 1024)
            try await client.request("GET", "/metrics")
            slow.append(client)
        }
        for _ in 0..<20 { #expect(try await server.get("/metrics").status == 200) }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        _ = slow
    }

    @Test func `promtool has nothing to say, and Prometheus answers for every metric of the contract`() async throws {
        let database = try await startPostgres()
        let environment = ["DATABASE_URL": database.url("postgres"), "DRILL_ROUTES": "on"]
        // One that has ended, for the receipts, and one whose end is counted while it is scraped.
        let first = try startServer(environment)
        try await first.waitUntilReady()
        first.send(SIGTERM)
        #expect(try await first.waitForExit() == .code(0))
        let server = try startServer(
            environment.merging(["DRILL_CLEAN_UP_SECONDS": "100", "SHUTDOWN_DEADLINE_SECONDS": "140"]) { $1 })
        try await server.waitUntilReady()
        #expect(try await server.post("/_drill/transaction?value=a").status == 201)
        try await eventually("the receipts are read") {
            try await server.get("/metrics").text.contains("medbuilder_shutdown_receipts{")
        }
        let page = try testFolder().appending(path: "page")
        try Data(try await server.get("/metrics").body).write(to: page)
        let verdict = try await runTool("sh", ["-c", "promtool check metrics < \(page.path) 2>&1 || true"])
        #expect(verdict == "", "\(verdict)")

        let prometheus = try await PrometheusServer(in: testFolder(), targets: [server.port])
        let native = try await PrometheusServer(in: testFolder(), targets: [server.port], native: true)
        server.send(SIGTERM)
        for name in Self.contract {
            try await eventually("Prometheus has \(name)") { try await prometheus.hasSeries(name) }
        }
        // By protocol buffers, the one form that has it.
        try await eventually("Prometheus has a native histogram") {
            // Of the last five minutes, by a subquery: `last_over_time` of Prometheus 2.42 loses native histograms.
            try await native.query("max_over_time(histogram_count(http_request_duration_seconds)[5m:1s])") ?? 0 > 0
        }
    }

    @Test func `levels of the log change while it runs, for a while, and for those who may`() async throws {
        let server = try await drillServer([
            "LOG_LEVEL": "info", "MANAGEMENT_PORT": "0", "MANAGEMENT_TOKEN": "0123456789abcdef",
        ])
        let port = try await managementPort(of: server)
        #expect(try await server.get("/log-level").status == 404)
        let before = try await RawClient.exchange(port: port, "GET", "/log-level")
        #expect(before.text == #"{"levels":"info"}"#)
        let changed = try await RawClient.exchange(port: port, "PUT", "/log-level", body: "medbuilder.access=error\n")
        #expect(changed.status == 200, "\(changed)")
        #expect(changed.text.contains(#""override":"medbuilder.access=error","secondsLeft":"#))
        let change = try await server.record("Log levels changed")
        #expect(change.field("log.levels") == "info")
        #expect(change.field("log.levels_override") == "medbuilder.access=error")
        #expect(change.field("log.levels_seconds") == "900")
        let answered = server.messages.count { $0 == "Request answered" }
        _ = try await server.get("/_drill/hello")
        _ = try await server.get("/_drill/throw")
        try await server.record("Request failed")
        #expect(server.messages.count { $0 == "Request answered" } == answered)
        for (fields, status) in [
            ("X-Forwarded-For: 127.0.0.1\r\n", 403), ("Origin: http://127.0.0.1:\(port)\r\n", 403),
            ("sec-fetch-site: same-origin\r\n", 403), ("CF-Connecting-IP: 127.0.0.1\r\n", 403),
            ("Origin: null\r\nAuthorization: Bearer 0123456789abcdef\r\n", 200),
            ("X-Forwarded-For: 10.1.1.1\r\nAuthorization: Bearer 0123456789abcdef\r\n", 200),
            ("Via: 1.1 proxy\r\nAuthorization: Bearer wrong\r\n", 403),
        ] {
            let answer = try await RawClient.exchange(port: port, "PUT", "/log-level", fields: fields, body: "info")
            #expect(answer.status == status, "\(fields)")
        }
        // Also of what silences the log: who has done it and when must be in it.
        // Three so far, of which the last may not be written yet.
        let told = 3
        try await eventually("those before are told") {
            server.messages.count { $0 == "Log levels changed" } == told
        }
        #expect(try await RawClient.exchange(port: port, "PUT", "/log-level", body: "critical").status == 200)
        try await eventually("it is told") { server.messages.count { $0 == "Log levels changed" } > told }
        // Only who may can take it back, and that is told as well.
        for (fields, status) in [("Via: 1.1 proxy\r\n", 403), ("", 200)] {
            let answer = try await RawClient.exchange(port: port, "DELETE", "/log-level", fields: fields)
            #expect(answer.status == status)
            if status == 200 { #expect(answer.text == #"{"levels":"info"}"#) }
        }
        try await server.record(described: "that the levels are as before") {
            $0.message == "Log levels changed" && $0.field("log.levels") == "info"
                && $0.field("log.levels_seconds") == nil
        }
        // A second time there is nothing to take back, and nothing to tell.
        #expect(try await RawClient.exchange(port: port, "DELETE", "/log-level").status == 200)
        _ = try await server.get("/_drill/throw")
        try await eventually("what follows is logged") {
            server.messages.last { $0 == "Request failed" || $0 == "Log levels changed" } == "Request failed"
        }
        #expect(server.messages.count { $0 == "Log levels changed" } == told + 2)
        for body in ["loud", "x\"y=debug", "x\u{1B}=debug", "debug,\n,info"] {
            #expect(try await RawClient.exchange(port: port, "PUT", "/log-level", body: body).status == 400)
        }
        #expect(try await RawClient.exchange(port: port, "GET", "/anything").status == 404)
    }

    @Test func `SIGHUP takes on the levels of the file, and keeps them if the file is wrong`() async throws {
        let file = try testFolder().appending(path: "settings.yaml")
        try Data("log.level: info\nlog.format: json\n".utf8).write(to: file)
        let server = try startServer(
            ["DRILL_ROUTES": "on", "LOG_LEVEL": "info"], arguments: ["serve", "--config", file.path])
        try await server.waitUntilReady()
        try Data("log.level: info,medbuilder.access=error\nlog.format: json\n".utf8).write(to: file)
        server.send(SIGHUP)
        try await server.record("Log levels changed")
        _ = try await server.get("/_drill/hello")
        try Data("log.level: loud\n".utf8).write(to: file)
        server.send(SIGHUP)
        try await server.record("Settings not read again")
        _ = try await server.get("/_drill/hello")
        _ = try await server.get("/_drill/throw")
        try await server.record("Request failed")
        #expect(!server.messages.contains("Request answered"))
    }

    private func managementPort(of server: ServerProcess) async throws -> Int {
        let record = try await server.record(described: "the management port") {
            $0.message.hasPrefix("management on port ")
        }
        return try #require(Int(record.message.dropFirst("management on port ".count)))
    }
}
