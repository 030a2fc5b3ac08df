// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What the log says of requests, and by which name.
@Suite(.endToEnd) struct AccessLogTests {
    private static let message = "Request answered"

    @Test func `a request is one line with its pattern, and without what its client wrote`() async throws {
        let server = try await drillServer(["LOG_LEVEL": "info"])
        let answer = try await RawClient.exchange(
            port: try await server.port, "POST", "/_drill/echo?patient=SECRETNAME",
            fields: "X-Request-Id: abc-1.2:3/4\r\n",
            body: "SECRETBODY")
        #expect(answer.status == 200)
        #expect(answer["x-request-id"] == "abc-1.2:3/4")
        let record = try await server.record(Self.message)
        #expect(record.field("http.request.id") == "abc-1.2:3/4")
        #expect(record.field("http.route") == "/_drill/echo")
        #expect(record.field("http.request.method") == "POST")
        #expect(record.field("http.response.status_code") == "200")
        #expect(record.field("http.request.body.bytes") == "10")
        #expect(record.field("http.response.body.bytes") == "10")
        #expect(record.field("event.dataset") == "medbuilder.access")
        #expect(Int(record.field("event.duration") ?? "").map { $0 > 0 } == true)
        #expect(!server.process.outputText.contains("SECRET"))
    }

    @Test func `probes are not in it, and have no name`() async throws {
        let server = try await drillServer(["LOG_LEVEL": "info"])
        for path in ["/live", "/ready", "/health", "/health/storage", "/status"] {
            #expect(try await server.get(path)["x-request-id"] == nil)
        }
        _ = try await server.get("/_drill/hello")
        _ = try await server.record(Self.message)
        #expect(server.messages.count { $0 == Self.message } == 1)
    }

    @Test func `a name that is not well formed is replaced, and every answer has one`() async throws {
        let server = try await drillServer(["LOG_LEVEL": "info"])
        let port = try await server.port
        var names: Set<String> = []
        let wrong = [
            "a b", "ü", "<script>", String(repeating: "x", count: 129), "", "a@example.org", "a\r\nX-Request-Id: b",
        ]
        for name in wrong {
            let answer = try await RawClient.exchange(
                port: port, "GET", "/_drill/hello", fields: "X-Request-Id: \(name)\r\n")
            let made = try #require(answer["x-request-id"], "\(name)")
            #expect(try matches(made, "[0-9a-f]{32}"), "\(made)")
            names.insert(made)
        }
        #expect(names.count == wrong.count)
        for path in ["/nowhere", "/_drill/throw"] {
            #expect(try await server.get(path)["x-request-id"] != nil, "\(path)")
        }
    }

    @Test func `what is refused and who leaves is told too`() async throws {
        let server = try await drillServer(["LOG_LEVEL": "info"])
        #expect(try await server.get("/nowhere/SECRET").status == 404)
        do {
            let leaving = try await server.inFlight("/_drill/sleep?ms=60000")
            leaving.resetAtEnd()
        }
        let bad = try await server.connect()
        try await bad.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        #expect(try await bad.response().status == 400)
        try await eventually("all three are logged") {
            Set(self.outcomes(of: server)) == ["404 unmatched", "499 /_drill/sleep", "400 unmatched"]
        }
        #expect(!server.process.outputText.contains("SECRET"))
    }

    private func outcomes(of server: ServerProcess) -> [String] {
        server.records.filter { $0.message == Self.message }.map {
            "\($0.field("http.response.status_code") ?? "") \($0.field("http.route") ?? "")"
        }
    }
}
