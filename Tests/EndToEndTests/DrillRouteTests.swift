// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

@Suite(.endToEnd) struct DrillRouteTests {
    @Test func `sleep takes its time`() async throws {
        let server = try await drillServer()
        #expect(try await server.get("/_drill/sleep").status == 200)
        for target in ["/_drill/sleep?ms=300", "/_drill/sleep?ms=300&ignore-cancel=1"] {
            let start = ContinuousClock.now
            #expect(try await server.get(target).status == 200)
            #expect(ContinuousClock.now - start >= .milliseconds(300))
        }
    }

    @Test func `stream takes its time in all, and comes in chunks`() async throws {
        let server = try await drillServer()
        let start = ContinuousClock.now
        _ = try await server.get("/_drill/stream?ms=300&chunks=3")
        #expect(ContinuousClock.now - start >= .milliseconds(290))
        for target in ["/_drill/stream", "/_drill/stream?ms=100&chunks=10", "/_drill/stream?chunks=1000"] {
            let answer = try await server.get(target)
            #expect(answer.status == 200)
            #expect(answer.framing == .chunked)
            #expect(answer.isComplete)
            #expect(!answer.body.isEmpty)
        }
    }

    @Test(arguments: [0, 1, 65536, 3 << 20])
    func `echo answers the body that it read`(size: Int) async throws {
        let client = try await drillServer().connect()
        let body = String((0..<size).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
        let sending = Task { try await client.request("POST", "/_drill/echo", body: body) }
        let answer = try await client.response(to: "POST")
        try await sending.value
        #expect(answer.status == 200)
        #expect(answer.isComplete)
        #expect(answer.text == body)
        #expect(try await client.get("/live").status == 200)
    }

    @Test func `echo answers a chunked body`() async throws {
        let client = try await drillServer().connect()
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        try await client.send("5\r\nhello\r\n")
        try await client.send("6;extension=1\r\n world\r\n0\r\nTrailer: yes\r\n\r\n")
        let answer = try await client.response(to: "POST")
        #expect(answer.status == 200)
        #expect(answer.text == "hello world")
    }

    @Test func `a row is found by its key, and another one is not`() async throws {
        let server = try await drillServer()
        #expect(try await server.post("/_drill/transaction?value=one").status == 201)
        let found = try await server.get("/_drill/rows/1")
        #expect(found.status == 200)
        #expect(found.text == #"{"id":1}"#)
        #expect(try await server.get("/_drill/rows/2").status == 404)
        #expect(try await server.get("/_drill/rows/one").status == 400)
    }

    @Test func `transaction inserts a row and rows counts them`() async throws {
        let server = try await drillServer()
        #expect(try await server.get("/_drill/rows").text == #"{"rows":0}"#)
        #expect(try await server.post("/_drill/transaction").status == 201)
        #expect(try await server.post("/_drill/transaction?ms=50&value=one").status == 201)
        #expect(try await server.get("/_drill/rows").text == #"{"rows":2}"#)
    }

    @Test func `writers queue`() async throws {
        let server = try await drillServer()
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<20 {
                group.addTask { try await server.post("/_drill/transaction?ms=20&value=\(index)").status }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses == Array(repeating: 201, count: 20))
        #expect(try await server.get("/_drill/rows").text == #"{"rows":20}"#)
    }

    @Test func `throw answers 500 and says nothing but an id that the log knows`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        let answer = try await client.get("/_drill/throw")
        #expect(answer.status == 500)
        #expect(try matches(answer.text, #"\{"error":"internal","id":"[^"]+"\}"#), "\(answer)")
        let id = try #require(try answer.json["id"]?.string)
        let record = try await server.record(described: "a record with the id") { $0.line.contains(id) }
        #expect(record.level == "error")
        // The server goes on, on the same connection.
        #expect(try await client.get("/ready").status == 200)
        let second = try await client.get("/_drill/throw")
        #expect(try second.json["id"] != answer.json["id"])
    }

    @Test func `task-throw answers 202`() async throws {
        let server = try await drillServer()
        #expect(try await server.post("/_drill/task-throw").status == 202)
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test func `each route has its method`() async throws {
        let server = try await drillServer()
        for path in ["sleep", "stream", "rows", "throw"] {
            #expect([404, 405].contains(try await server.post("/_drill/\(path)").status), "\(path)")
        }
        for path in ["echo", "transaction", "task-throw"] {
            #expect([404, 405].contains(try await server.get("/_drill/\(path)").status), "\(path)")
        }
        #expect(try await server.get("/ready").status == 200)
    }

    @Test func `without the setting there are none`() async throws {
        let server = try await readyServer()
        #expect(try await server.get("/_drill/rows").status == 404)
        #expect(try await server.post("/_drill/task-throw").status == 404)
    }

    @Test func `production refuses them`() async throws {
        let result = try await run(
            "serve",
            environment: [
                "APP_ENV": "production", "DATABASE_URL": "sqlite:a.sqlite", "DRILL_ROUTES": "on",
                "PHI_ENCRYPTION_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ]
        )
        #expect(result.exit == .code(78))
        #expect(result.errors.contains("DRILL_ROUTES"))
    }
}
