// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// `/live` says when the process can do no work, and only then.
@Suite(.endToEnd) struct StallTests {
    @Test(arguments: [("pool", "task pool"), ("eventloop", "event loop 0")])
    func `what stands still is seen, named with its stack, and seen to move again`(
        thread: String, name: String
    ) async throws {
        let server = try await drillServer(["LIVE_STALL_SECONDS": "0.6"])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/block?thread=\(thread)&ms=15000")
        // On a busy machine something else may seem to stand still as well.
        let stalled = try await server.record(described: "the stall of \(name)") {
            $0.message == "Stalled" && $0.field("stall.what") == name
        }
        #expect(stalled.level == "error")
        #expect(stalled.json?.value(at: "error.stack_trace")?.string?.contains("DrillRoutes.sleep(until:)") == true)
        let live = try await server.get("/live")
        #expect(live.status == 503)
        #expect(live.text.hasPrefix(#"{"alive":false,"#))
        #expect(try await server.get("/ready").status == 503)

        try await server.record(described: "the end of the stall of \(name)") {
            $0.message == "Moving again" && $0.field("stall.what") == name
        }
        #expect(try await client.response().status == 200)
        try await eventually("/live is 200 again") { try await server.get("/live").status == 200 }
        try await eventually("/ready is 200 again") { try await server.get("/ready").status == 200 }
        #expect(try await server.get("/_drill/rows").status == 200)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a stalled event loop's stand-in refuses requests and answers every probe`() async throws {
        let server = try await drillServer(["LIVE_STALL_SECONDS": "0.6"])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/block?thread=eventloop&ms=15000")
        try await server.record(described: "the stall of the event loop") {
            $0.message == "Stalled" && $0.field("stall.what") == "event loop 0"
        }
        let refused = try await server.get("/_drill/rows")
        #expect(refused.status == 503)
        #expect(refused["retry-after"] == "1")
        #expect(refused["x-request-refused"] == "unavailable")
        #expect(refused["connection"] == "close")
        #expect(try await server.get("/health").status == 200)
        #expect(try await RawClient.exchange(port: server.port, "POST", "/live").status == 405)
        #expect(try await RawClient.exchange(port: server.port, "HEAD", "/live").status == 503)
        _ = try await client.response()
    }

    @Test func `a process that was stopped for a while is not stalled when it goes on`() async throws {
        let server = try await drillServer(["LIVE_STALL_SECONDS": "2"])
        for _ in 0..<3 {
            server.send(SIGSTOP)
            try await Task.sleep(for: .seconds(4))
            server.send(SIGCONT)
            #expect(try await server.get("/live").status == 200)
            try await Task.sleep(for: .seconds(2.3))
        }
        #expect(!server.messages.contains("Stalled"))
    }

    @Test func `a server that is busy with all processors is not stalled`() async throws {
        let server = try await drillServer(["LIVE_STALL_SECONDS": "3"])
        let port = try await server.port
        // One path through the handlers and one past them.
        let loads = try ["/_drill/hello", "/live"].map { path in
            try ChildProcess(
                "/usr/bin/env",
                ["wrk", "-t2", "-c64", "-d\(Soak.busySeconds)s", "http://127.0.0.1:\(port)\(path)"],
                environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"],
                folder: testFolder()
            )
        }
        for load in loads {
            #expect(try await load.waitForExit() == .code(0))
            try await load.waitForOutput()
            #expect(load.outputText.contains("Requests/sec"), "\(load.outputText)\(load.errorText)")
            #expect(!load.outputText.contains("Non-2xx"), "\(load.outputText)")
        }
        #expect(!server.messages.contains("Stalled"))
    }

    @Test func `a shutdown ends even while the pool stands still`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.3", "SHUTDOWN_DEADLINE_SECONDS": "20"])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/block?thread=pool&ms=2000")
        try await server.settle()
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        _ = try await client.remainder()
    }
}
