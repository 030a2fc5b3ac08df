// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Each kind of bad HTTP gets a clear answer, and the server goes on.
@Suite(.endToEnd) struct BadInputTests {
    /// What a raw request is answered with, or nothing where the connection was simply closed.
    private func status(of request: String, from server: ServerProcess) async throws -> Int {
        let client = try await server.connect()
        try? await client.send(request)
        let answer = try await client.response(to: "POST")
        #expect(answer.saysClose, "\(answer)")
        #expect(answer.isComplete)
        #expect(try await client.ending() == .closed)
        #expect(try await server.get("/live").status == 200)
        return answer.status
    }

    @Test func `a request line above 16 KiB`() async throws {
        let server = try await readyServer()
        for size in [16 << 10, 40 << 10, 200 << 10] {
            let target = "/live?" + String(repeating: "x", count: size)
            #expect(
                [414, 400].contains(try await self.status(of: RawClient.request("GET", target), from: server)),
                "\(size)")
        }
    }

    @Test func `a request line just below 16 KiB`() async throws {
        let server = try await readyServer()
        let target = "/live?" + String(repeating: "x", count: (16 << 10) - 200)
        #expect(try await server.get(target).status == 200)
    }

    @Test func `headers above 64 KiB`() async throws {
        let server = try await readyServer()
        let one = RawClient.request("GET", "/live", fields: "X-Long: \(String(repeating: "x", count: 66 << 10))\r\n")
        let many = RawClient.request(
            "GET", "/live", fields: String(repeating: "X-Many: \(String(repeating: "x", count: 90))\r\n", count: 700))
        for request in [one, many] {
            #expect([431, 400].contains(try await self.status(of: request, from: server)))
        }
    }

    @Test func `headers of 32 KiB are fine`() async throws {
        let client = try await readyServer().connect()
        let line = "X-Many: \(String(repeating: "x", count: 990))\r\n"
        try await client.request("GET", "/live", fields: String(repeating: line, count: 32))
        #expect(try await client.response().status == 200)
    }

    @Test func `chunked and Content-Length together`() async throws {
        let server = try await drillServer()
        for fields in [
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "content-length: 4\r\nTRANSFER-ENCODING: Chunked\r\n",
        ] {
            let request = "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n0\r\n\r\n"
            #expect(try await self.status(of: request, from: server) == 400, "\(fields)")
        }
    }

    @Test(arguments: [
        "Content-Length: 4\r\nContent-Length: 5\r\n", "Content-Length: -1\r\n", "Content-Length: 4x\r\n",
        "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked, identity\r\n",
    ])
    func `other ways to be unclear about where a body ends`(fields: String) async throws {
        let server = try await drillServer()
        let request = "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\nabcd"
        #expect([400, 501].contains(try await self.status(of: request, from: server)))
    }

    @Test func `no Host, or two`() async throws {
        let server = try await readyServer()
        #expect(try await self.status(of: "GET /live HTTP/1.1\r\n\r\n", from: server) == 400)
        #expect(try await self.status(of: "GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", from: server) == 400)
    }

    @Test(arguments: [
        "hello\r\n\r\n", "GET /live\r\n\r\n", "GET  /live HTTP/9.9\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", "GET /live HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    ])
    func `what is not HTTP`(request: String) async throws {
        let server = try await readyServer()
        #expect(try await self.status(of: request, from: server) == 400)
    }

    @Test func `Expect 100-continue gets its 100`() async throws {
        let client = try await drillServer().connect()
        try await client.send(
            "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        #expect(try await client.response().status == 100)
        try await client.send("hello")
        let answer = try await client.response(to: "POST")
        #expect(answer.status == 200)
        #expect(answer.text == "hello")
        #expect(try await client.get("/live").status == 200)
    }

    @Test func `an expectation that nobody needs to meet gets its final answer`() async throws {
        let client = try await drillServer().connect()
        try await client.send(
            "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        var answer = try await client.response(to: "POST")
        if answer.status == 100 {
            try await client.send("hello")
            answer = try await client.response(to: "POST")
        }
        #expect(answer.status == 404)
    }

    @Test func `a chunked body that is no chunked body`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        try await client.send(
            "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")
        // An answer or merely the end, but the end in any case.
        _ = try await client.remainder()
        #expect(try await server.get("/live").status == 200)
    }

    @Test func `a body that stops in the middle`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        client.finishSending()
        _ = try await client.remainder()
        #expect(try await server.get("/live").status == 200)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `numbers that are none`() async throws {
        let server = try await drillServer()
        for target in [
            "/_drill/sleep?ms=soon", "/_drill/sleep?ms=-1", "/_drill/stream?chunks=0.5",
            "/_drill/sleep?ms=99999999999999999999",
        ] {
            #expect(try await server.get(target).status == 400, "\(target)")
        }
        #expect(try await server.get("/live").status == 200)
    }

    // MARK: Standard output

    @Test(arguments: [
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\nContent-Length: 1\r\n",
        "Transfer-Encoding:\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ])
    func `a transfer coding that is not plainly chunked is refused`(fields: String) async throws {
        let client = try await drillServer().connect()
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
        #expect(try await client.response(to: "POST").status == 400)
        #expect(try await client.ending() == .closed)
    }

    @Test func `standard descriptors that are closed do not cost the signals`() async throws {
        let port = try SilentListener().port
        let server = try startServer(
            ["PORT": "\(port)"],
            launcher: ["bash", "-c", #"exec "$0" "$@" <&- >&- 2>&-"#],
            readsOutput: false
        )
        try await eventually("the server is ready") {
            (try? await RawClient.exchange(port: port, "GET", "/ready").status) == 200
        }
        server.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(0))
    }

    @Test func `a closed standard error does not change the exit code`() async throws {
        let server = try startServer(
            ["PORT": "abc"],
            launcher: ["bash", "-c", #"exec "$0" "$@" 2>&-"#],
            readsOutput: false
        )
        #expect(try await server.process.waitForExit() == .code(78))
    }

    @Test func `many small header fields below the limit are taken`() async throws {
        let fields = (0..<2000).map { "X-\($0): \($0)\r\n" }.joined()
        #expect(fields.utf8.count < 60_000)
        let client = try await readyServer().connect()
        try await client.request("GET", "/live", fields: fields)
        #expect(try await client.response().status == 200)
    }

    @Test func `a stuck standard output delays neither requests nor the shutdown`() async throws {
        let server = try await drillServer([
            "LOG_LEVEL": "debug", "SHUTDOWN_GRACE_SECONDS": "0.5", "SHUTDOWN_DEADLINE_SECONDS": "3",
        ])
        try await self.stickOutput(of: server)
        for path in ["/live", "/ready", "/health", "/_drill/rows"] { #expect(try await server.get(path).status == 200) }
        #expect(try await server.post("/_drill/transaction?value=stuck").status == 201)
        server.send(SIGTERM)
        // Whatever could not be written is given up in time: by the deadline at the latest, as the test above knows it.
        let exit = try await server.process.waitForExit()
        #expect(exit == .code(0) || exit == .code(1))
    }

    @Test func `a stuck standard output does not hold up the deadline`() async throws {
        let server = try await drillServer([
            "LOG_LEVEL": "debug", "SHUTDOWN_GRACE_SECONDS": "0.2", "SHUTDOWN_DEADLINE_SECONDS": "1",
        ])
        try await self.stickOutput(of: server)
        let held = try await server.inFlight("/_drill/sleep?ms=60000&ignore-cancel=1")
        server.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(1))
        _ = try await held.remainder()

        // What could not be said then is said by the next start, and not again by the one after it.
        let second = try await readyServer()
        try await second.record(described: "a record of the last exit") {
            $0.level.hasPrefix("warn") && $0.line.contains("SIGTERM")
        }
        second.send(SIGTERM)
        #expect(try await second.waitForExit() == .code(0))
        let third = try await readyServer()
        #expect(!third.records.contains { $0.line.contains("SIGTERM") })
    }

    @Test func `a stuck standard output does not hold up a second signal`() async throws {
        let server = try await drillServer(["LOG_LEVEL": "debug", "SHUTDOWN_DRAIN_DELAY_SECONDS": "20"])
        try await self.stickOutput(of: server)
        server.send(SIGTERM)
        try await eventually("the shutdown has begun") { try await server.get("/ready").status == 503 }
        server.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(2))
    }

    @Test func `a standard output that is stuck from the first line on does not hold up the start`() async throws {
        let port = try SilentListener().port
        let server = try startServer(["PORT": "\(port)", "LOG_LEVEL": "trace"], readsOutput: false)
        try await eventually("the server is ready") {
            (try? await RawClient.exchange(port: port, "GET", "/ready").status) == 200
        }
        server.send(SIGTERM)
        let exit = try await server.process.waitForExit()
        #expect(exit == .code(0) || exit == .code(1))
    }

    @Test func `a standard output that was closed stops nothing`() async throws {
        let server = try await drillServer()
        server.process.abandonReading()
        for _ in 0..<20 {
            #expect(try await server.get("/_drill/throw").status == 500)
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try await server.get("/ready").status == 200)
        server.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(0))
    }

    /// Nobody reads the server's log any more, and its pipe is full.
    private func stickOutput(of server: ServerProcess) async throws {
        server.process.pauseReading()
        let client = try await server.connect()
        // Each of them is logged with a few hundred bytes, and a pipe holds 64 KiB.
        for _ in 0..<1500 { #expect(try await client.get("/_drill/throw").status == 500) }
    }
}
