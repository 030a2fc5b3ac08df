// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// Marked values through every entry of the server, and a search for them in every byte that leaves it, but for the answers that whoever
/// sent them gets.
@Suite(.endToEnd) struct CanaryTests {
    /// Only letters, so that nothing that looks for digits, keys or addresses takes it out; with the name of the entry behind it.
    private static let mark = "zqcanary"

    /// Whole requests, by the entry that is tried.
    private static var requests: [(entry: String, request: String)] {
        func canary(_ entry: String) -> String { Self.mark + entry }
        func head(_ entry: String, _ field: String) -> (String, String) {
            (entry, "GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\(field)\r\n\r\n")
        }
        func target(_ entry: String, _ target: String, method: String = "GET") -> (String, String) {
            (entry, "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        }
        func body(_ entry: String, _ type: String, _ text: String) -> (String, String) {
            (
                entry,
                "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nContent-Length: \(text.utf8.count)\r\n\r\n"
                    + text
            )
        }
        let targets = [
            target("path", "/\(canary("path"))/Patient"), target("deep", "/_drill/\(canary("deep"))"),
            target("query", "/_drill/hello?\(canary("query"))=x"),
            target("value", "/_drill/hello?x=\(canary("value"))"),
            target("throw", "/_drill/throw?x=\(canary("throw"))"),
            target("parameter", "/_drill/sleep?ms=\(canary("parameter"))"),
            target("encoded", "/%7A%71canaryencoded%0a%22?%7A%71canaryencoded=%00"),
            target("absolute", "http://\(canary("absolute")).example/_drill/hello"),
            target("group", "/health/\(canary("group"))"), target("exclude", "/health?exclude=\(canary("exclude"))"),
            target("status", "/status?\(canary("status"))"),
            target("ready", "/ready?exclude=\(canary("ready"))&verbose"),
            target("metrics", "/metrics?\(canary("metrics"))"),
            target("metricspath", "/metrics/\(canary("metricspath"))"),
            target("row", "/_drill/transaction?value=\(canary("row"))", method: "POST"),
            target("nul", "/_drill/transaction?value=\(canary("nul"))%00%ff", method: "POST"),
            target("method", "/_drill/hello", method: canary("method").uppercased()),
            target("asterisk", "*?\(canary("asterisk"))", method: "OPTIONS"),
            target("connect", "\(canary("connect")):443", method: "CONNECT"),
        ]
        let fields = [
            head("name", "X-\(canary("name")): x"), head("field", "X-Patient: \(canary("field"))"),
            head("agent", "User-Agent: \(canary("agent"))"), head("cookie", "Cookie: session=\(canary("cookie"))"),
            head("referer", "Referer: https://\(canary("referer")).example/\(canary("referer"))"),
            head(
                "basic", "Authorization: Basic \(Data(canary("basic").utf8).base64EncodedString()) \(canary("basic"))"),
            head("bearer", "Authorization: Bearer \(canary("bearer"))"),
            head("forwarded", "X-Forwarded-For: \(canary("forwarded"))\r\nForwarded: for=\(canary("forwarded"))"),
            head("accept", "Accept: \(canary("accept"))/x\r\nAccept-Language: \(canary("accept"))"),
            head("type", "Content-Type: \(canary("type"))/x"), head("range", "Range: \(canary("range"))=0-1"),
            head("etag", "If-None-Match: \"\(canary("etag"))\""), head("expect", "Expect: \(canary("expect"))"),
            head("upgrade", "Connection: Upgrade\r\nUpgrade: \(canary("upgrade"))"),
            head("coding", "Transfer-Encoding: \(canary("coding"))"),
            head("length", "Content-Length: \(canary("length"))"),
            head("parent", "traceparent: 00-\(canary("parent"))-b7ad6b7169203331-01"),
            head(
                "state",
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: x=\(canary("state"))"
            ),
            head("baggage", "baggage: \(canary("baggage"))=\(canary("baggage"))"),
            // Not well-formed: it is not taken.
            head("id", "X-Request-Id: \(canary("id")) of Ada"),
            head("idfolded", "X-Request-Id: a\r\n \(canary("idfolded"))"),
            head("folded", "X-Folded: a\r\n \(canary("folded"))"), head("colon", canary("colon")),
            head("space", "X-Space : \(canary("space"))"), head("utf", "X-Name: \(canary("utf"))é\u{1}"),
            head("huge", "X-Huge: \(String(repeating: canary("huge"), count: 9000))"),
            ("host", "GET /_drill/hello HTTP/1.1\r\nHost: \(canary("host")).example\r\n\r\n"),
            ("hosts", "GET /_drill/hello HTTP/1.1\r\nHost: a\r\nHost: \(canary("hosts"))\r\n\r\n"),
        ]
        let others = [
            body("json", "application/json", #"{"name":"\#(canary("json"))"}"#),
            body("form", "application/x-www-form-urlencoded", "name=\(canary("form"))"),
            body("broken", "application/json", #"{"name":"\#(canary("broken"))"#),
            (
                "chunk",
                "POST /_drill/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "1;\(canary("chunk"))=\(canary("chunk"))\r\na\r\n0\r\nX-Trailer: \(canary("chunk"))\r\n\r\n"
            ),
            (
                "badchunk",
                "POST /_drill/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(canary("badchunk"))\r\n"
            ),
            ("short", "POST /_drill/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n\(canary("short"))"),
            ("line", "\(canary("line"))\r\n\r\n"), ("version", "GET / \(canary("version"))/1.1\r\n\r\n"),
            ("preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\(canary("preface"))"),
            ("hello", "\u{16}\u{3}\u{1}\(canary("hello"))"),
        ]
        return targets + fields + others
    }

    /// Sends a request on a connection of its own, and waits until the server has answered and closed, or has nothing to say.
    private func send(_ request: String, port: Int) async throws {
        let client = try await RawClient.connect(port: port)
        // The server may have closed in the middle of a request that it does not take.
        try? await client.send(request)
        client.finishSending()
        _ = try? await client.remainder()
    }

    /// Every place where something leaves the server, with what has left there.
    private func outputs(_ server: ServerProcess, _ collector: RecordingCollector, management: Int) async throws
        -> [String: String]
    {
        var outputs: [String: String] = [:]
        for (target, accept) in [
            ("/metrics", "text/plain"), ("/metrics", "application/openmetrics-text"),
            (
                "/metrics",
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            ),
            ("/health", "application/json"), ("/health", "application/health+json"), ("/health?verbose", "*/*"),
            ("/health", "text/html"), ("/status", "text/html"), ("/log-level", "*/*"),
        ] {
            let page = try await RawClient.exchange(port: management, "GET", target, fields: "Accept: \(accept)\r\n")
            outputs["\(target) as \(accept)"] = page.text
        }
        return outputs
    }

    /// All files of the server but its database, whose place rows are.
    private func files(in folder: URL) throws -> [String: String] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        var files: [String: String] = [:]
        for path in paths where !path.contains(".sqlite") {
            #expect(!path.lowercased().contains(Self.mark), "The name of a file has it.")
            guard let data = FileManager.default.contents(atPath: folder.appending(path: path).path) else { continue }
            files["file \(path)"] = String(decoding: data, as: UTF8.self)
        }
        return files
    }

    @Test(arguments: [false, true]) func `what comes in leaves nowhere`(onPostgres: Bool) async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let management = try FreePort.next()
        var environment = [
            "LOG_LEVEL": "trace", "MANAGEMENT_PORT": "\(management)",
            "MANAGEMENT_TOKEN": Self.mark + String(repeating: "token", count: 8),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=\(Self.mark)header", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "300",
        ]
        if onPostgres {
            let database = try await startPostgres()
            try await database.query(
                "CREATE ROLE app LOGIN PASSWORD '\(Self.mark)password'; GRANT CREATE ON SCHEMA public TO app")
            environment["DATABASE_URL"] = database.url("postgres", user: "app", password: Self.mark + "password")
        }
        let server = try await drillServer(environment)
        let port = try await server.port
        for (_, request) in Self.requests {
            try await self.send(request, port: port)
            try await self.send(request, port: management)
        }
        for level in ["\(Self.mark)=debug", "debug\(Self.mark)", "{\"\(Self.mark)"] {
            _ = try await RawClient.exchange(
                port: management, "PUT", "/log-level",
                fields: "X-Forwarded-For: 203.0.113.9\r\nAuthorization: Bearer \(Self.mark)wrong\r\n", body: level)
        }
        // Over HTTP/2 as well, where fields are compressed and errors are others.
        for (entry, field) in [("hfield", "x-patient"), ("hcookie", "cookie"), ("hagent", "user-agent")] {
            _ = try? await runTool(
                "curl",
                [
                    "-sS", "--max-time", "20", "--http2-prior-knowledge", "-H", "\(field): \(Self.mark)\(entry)", "-d",
                    "\(Self.mark)body", "http://127.0.0.1:\(port)/\(Self.mark)\(entry)?\(Self.mark)=\(Self.mark)",
                ])
        }
        _ = try? await runTool(
            "curl",
            [
                "-sS", "--max-time", "20", "--http2-prior-knowledge", "-X", "\(Self.mark)hmethod",
                "http://127.0.0.1:\(port)/_drill/throw",
            ])
        var outputs = try await self.outputs(server, collector, management: management)
        // One that is being worked on when the process traps.
        let caught = try await RawClient.connect(port: port)
        try await caught.request(
            "GET", "/_drill/sleep?ms=60000&x=\(Self.mark)caught", fields: "X-Patient: \(Self.mark)caught\r\n")
        try? await self.send("GET /_drill/trap?x=\(Self.mark)trap HTTP/1.1\r\nHost: a\r\n\r\n", port: port)
        server.send(SIGTERM)
        _ = try await server.waitForExit()

        outputs["standard output"] = server.process.outputText
        outputs["standard error"] = server.process.errorText
        outputs["collector"] = collector.everything
        outputs.merge(try self.files(in: testFolder().appending(path: ".medbuilder"))) { $1 }
        // The search sees something: requests were logged, traced and counted.
        #expect(outputs["standard output"]?.contains("Request answered") == true)
        #expect(outputs["collector"]?.contains("http.server.request.duration") == true)
        #expect(outputs["collector"]?.contains("/_drill/transaction") == true)
        for (place, text) in outputs {
            let found = text.lowercased().matches(of: /zqcanary[a-z]*/).map { String($0.output) }
            #expect(found.isEmpty, "In \(place): \(Set(found).sorted())")
        }
    }
}
