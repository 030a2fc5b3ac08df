// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// A runtime trap costs one request, and the process ends as it would at SIGTERM, with 70.
@Suite(.endToEnd) struct TrapTests {
    /// Every kind that is a request's own.
    static let kinds = [
        "nil", "index", "overflow", "fatal", "try", "precondition", "deinit", "lock", "transaction", "child",
    ]

    @Test(arguments: Self.kinds, Soak.rounds)
    func `under load, exactly one request gets the 500 and no other fails`(kind: String, round: Int) async throws {
        // A drain delay, so that the load can be told by /ready and by `Connection: close`.
        let server = try await drillServer(["SHUTDOWN_DRAIN_DELAY_SECONDS": "1", "SHUTDOWN_GRACE_SECONDS": "10"])
        let load = SteadyLoad.start(port: try await server.port, target: "/_drill/sleep?ms=1")
        try await eventually("the load runs") { load.answered > 500 }
        let held = try await server.inFlight("/_drill/sleep?ms=6000")
        let trigger = ContinuousClock.now
        let answer = try await server.get("/_drill/trap?kind=\(kind)")
        try expectTrapped(answer)
        try await eventually("/ready is 503") { try await server.get("/ready").status == 503 }
        #expect(try await server.get("/live").status == 200)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(70))
        let outcome = try await load.stop()
        #expect(outcome.failures(trigger: trigger) == [], "\(outcome)")
        #expect(outcome.statuses[500] == nil)
        #expect(outcome.statuses[200, default: 0] > 500, "\(outcome)")
        #expect(server.sentences == [Sentence.exception, Sentence.closed, Sentence.complete])
        try expectStack(in: server, names: "DrillTrap.spring()")
    }

    @Test func `without a drain delay it is the same`() async throws {
        let server = try await drillServer()
        let load = SteadyLoad.start(port: try await server.port, target: "/_drill/sleep?ms=1")
        try await eventually("the load runs") { load.answered > 500 }
        let trigger = ContinuousClock.now
        try expectTrapped(try await server.get("/_drill/trap?kind=nil"))
        #expect(try await server.waitForExit() == .code(70))
        let outcome = try await load.stop()
        #expect(outcome.failures(trigger: trigger, unannounced: true) == [], "\(outcome)")
        #expect(outcome.statuses[500] == nil)
    }

    @Test func `with a thousand requests in flight, each of them is answered`() async throws {
        try raiseDescriptorLimit()
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight(Array(repeating: "/_drill/sleep?ms=3000", count: 1000))
        try expectTrapped(try await server.get("/_drill/trap?kind=index"))
        for client in held { #expect(try await client.response().status == 200) }
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test(arguments: ["nil", "lock", "transaction", "child"])
    func `with one processor it is contained all the same`(kind: String) async throws {
        let server = try startServer(["DRILL_ROUTES": "on"], launcher: ["taskset", "-c", Processors.first])
        try await server.waitUntilReady()
        let held = try await server.inFlight("/_drill/sleep?ms=700")
        try expectTrapped(try await server.get("/_drill/trap?kind=\(kind)"))
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test(arguments: Soak.rounds) func `ten at once are ten answers and one shutdown`(round: Int) async throws {
        let server = try await drillServer(ServerProcess.longDrain)
        let held = try await server.inFlight("/_drill/sleep?ms=1000")
        var clients: [RawClient] = []
        for _ in 0..<10 { clients.append(try await server.connect()) }
        for (client, kind) in zip(clients, Self.kinds.shuffled()) {
            try await client.request("GET", "/_drill/trap?kind=\(kind)")
        }
        for client in clients { try expectTrapped(try await client.response()) }
        try await eventually("all of them are told") {
            server.messages.count { $0 == "Runtime trap contained" } == 10
        }
        #expect(try await held.response().status == 200)
        try await server.endDrainDelay()
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.exception, Sentence.closed, Sentence.complete])
        #expect(server.messages.count { $0 == "Runtime trap contained" } == 10)
    }

    @Test func `one during the drain of a SIGTERM changes the exit code and nothing else`() async throws {
        let server = try await drillServer(ServerProcess.longDrain)
        let held = try await server.inFlight("/_drill/sleep?ms=800")
        try await server.terminate()
        try expectTrapped(try await server.get("/_drill/trap?kind=overflow"))
        #expect(try await held.response().status == 200)
        try await server.endDrainDelay()
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
    }

    @Test func `the first signal after a trap is only logged, the next one exits with 2`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        try expectTrapped(try await server.get("/_drill/trap?kind=nil"))
        server.send(SIGTERM)
        try await server.record("Already shutting down")
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(2))
        _ = try await held.remainder()
    }

    @Test func `one during the start-up ends it`() async throws {
        let server = try startServer(["DRILL_START": "trap"])
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.exception, Sentence.closed, Sentence.complete])
        try expectStack(in: server, names: "StartUp.run()")
    }

    @Test func `one in a supervised task leaves the requests alone`() async throws {
        let server = try await drillServer()
        let held = try await server.inFlight("/_drill/sleep?ms=500")
        #expect(try await server.get("/_drill/trap?kind=background").status == 202)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test func `one in a transaction undoes it, and writes behind it go on`() async throws {
        let server = try await drillServer(["SHUTDOWN_DRAIN_DELAY_SECONDS": "4", "SHUTDOWN_GRACE_SECONDS": "20"])
        #expect(try await server.post("/_drill/transaction?value=before").status == 201)
        let trapped = try await server.connect()
        // Holds the writer when the trap comes, and others wait behind it.
        let first = try await server.connect()
        try await first.request("POST", "/_drill/transaction?value=first&ms=1500")
        try await server.settle()
        try await trapped.request("GET", "/_drill/trap?kind=transaction")
        try await server.settle()
        var behind: [RawClient] = []
        for number in 0..<5 {
            let client = try await server.connect()
            try await client.request("POST", "/_drill/transaction?value=\(number)")
            behind.append(client)
        }
        #expect(try await first.response().status == 201)
        try expectTrapped(try await trapped.response())
        for client in behind { #expect(try await client.response().status == 201) }
        #expect(try await server.waitForExit() == .code(70))

        let next = try await drillServer()
        #expect(try await next.get("/_drill/rows").text == #"{"rows":7}"#)
    }

    @Test func `one in a stream cuts it off`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        try await client.request("GET", "/_drill/trap?kind=stream")
        let head = try await client.head()
        #expect(head.status == 200)
        let rest = try await client.remainder()
        // The last chunk, which is empty, is missing.
        #expect(!String(decoding: rest.bytes, as: UTF8.self).hasSuffix("0\r\n\r\n"))
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test func `requests that were sent behind it on the same connection are answered`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        let requests =
            RawClient.request("GET", "/_drill/trap?kind=nil") + RawClient.request("GET", "/_drill/rows")
            + RawClient.request("GET", "/_drill/sleep?ms=1")
        try await client.send(requests)
        let answer = try await client.response()
        #expect(answer.status == 500)
        #expect(try await client.response().status == 200)
        let last = try await client.response()
        #expect(last.status == 200)
        #expect(last["connection"] == "close")
        #expect(try await client.ending() == .closed)
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test func `a request that is still being sent gets its 500`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        try await client.send(
            "GET /_drill/trap?kind=nil HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nbegins"
        )
        #expect(try await client.response().status == 500)
        client.close()
        #expect(try await server.waitForExit() == .code(70))
    }

    @Test func `one whose client has left holds nothing up`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        client.resetAtEnd()
        try await client.request("GET", "/_drill/trap?kind=nil")
        client.close()
        try await server.record("Runtime trap contained")
        #expect(try await server.waitForExit() == .code(70))
    }

    // MARK: - In a cancellation

    @Test func `one in a cancellation handler costs nobody else anything`() async throws {
        let server = try await drillServer()
        let others = try await server.inFlight(Array(repeating: "/_drill/sleep?ms=1200", count: 3))
        try await server.inFlight("/_drill/trap?kind=cancel").resetAtEnd()
        try await server.record("Runtime trap contained")
        for other in others { #expect(try await other.response().status == 200) }
        #expect(try await server.waitForExit() == .code(70))
        #expect(!server.messages.contains("An event loop is lost"))
    }

    @Test func `one under a lock that the cancellation takes is answered all the same`() async throws {
        let server = try await drillServer(["SHUTDOWN_DEADLINE_SECONDS": "20"])
        // They keep the server up meanwhile, and are over before the grace is.
        let others = try await server.inFlight(Array(repeating: "/_drill/sleep?ms=4500", count: 3))
        try expectTrapped(try await server.get("/_drill/trap?kind=lock-and-cancel"))
        #expect(try await server.get("/live").status == 200)
        for other in others { #expect(try await other.response().status == 200) }
        #expect(try await server.waitForExit() == .code(70))
    }

    // MARK: - With less than usual

    @Test func `it is contained where a process may not read its own memory by process_vm_readv`() async throws {
        // prctl(PR_SET_NO_NEW_PRIVS), then a filter that answers EPERM to that call, as container profiles do.
        let forbid = """
            import ctypes, os, struct, sys
            libc = ctypes.CDLL(None)
            libc.prctl(38, 1, 0, 0, 0)
            code = [(0x20, 0, 0, 0), (0x15, 0, 1, 310), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
            program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
            filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(program)))
            assert libc.prctl(22, 2, filter, 0, 0) == 0
            os.execv(sys.argv[1], sys.argv[1:])
            """
        let launcher = ["/usr/bin/env", "python3", "-c", forbid]
        let server = try startServer(["DRILL_ROUTES": "on"], launcher: launcher)
        try await server.waitUntilReady()
        try expectTrapped(try await server.get("/_drill/trap?kind=nil"))
        #expect(try await server.waitForExit() == .code(70))
        try expectStack(in: server, names: "DrillTrap.spring()")
    }

    // MARK: - On an event loop

    @Test(arguments: Soak.rounds)
    func `on an event loop its connections end at once, and the probes are answered by another thread`(round: Int)
        async throws
    {
        let server = try await drillServer(["SHUTDOWN_DRAIN_DELAY_SECONDS": "8"])
        let load = SteadyLoad.start(port: try await server.port, target: "/_drill/sleep?ms=1")
        try await eventually("the load runs") { load.answered > 500 }
        let trigger = ContinuousClock.now
        let client = try await server.connect()
        try await client.request("GET", "/_drill/trap?kind=eventloop")
        #expect(try await client.remainder().bytes == [])
        // All connections of the loop end together.
        let gone = ContinuousClock.now
        let ready = try await server.get("/ready")
        #expect(ready.status == 503)
        #expect(ready["connection"] == "close")
        #expect(try await server.get("/live").status == 200)
        let other = try await server.get("/_drill/rows")
        #expect(other.status == 503)
        #expect(other["retry-after"] == "1")
        #expect(try await server.waitForExit() == .code(70))
        let lost = try await server.record("An event loop is lost")
        #expect(lost.json?.value(at: "http.connections")?.string.flatMap { Int($0) } ?? 0 >= 20)
        let outcome = try await load.stop()
        // What was on its way at that moment is lost, one request a connection at most, and nothing else.
        let failures = outcome.failures(trigger: trigger, unannounced: true)
        #expect(failures.count <= 20, "\(outcome)")
        #expect(failures.allSatisfy { $0.sent < gone + .seconds(1) })
        #expect(outcome.statuses[500] == nil)
        try expectStack(in: server, names: "DrillTrap.spring()")
    }

    // MARK: - What is said of it

    @Test func `what it says is withheld where patients are`() async throws {
        let key = Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        let folder = try testFolder()
        let environment = [
            "APP_ENV": "staging", "DRILL_ROUTES": "on", "PHI_ENCRYPTION_KEY": key,
            "DATABASE_URL": "sqlite:\(folder.path)/staging.sqlite", "DATABASE_MIGRATE": "auto",
        ]
        let server = try await readyServer(environment)
        try expectTrapped(try await server.get("/_drill/trap?kind=fatal"))
        #expect(try await server.waitForExit() == .code(70))
        let record = try await server.record("Written to standard error")
        #expect(record.json?.value(at: "stderr.text")?.string == "[withheld]")
        #expect(!server.process.outputText.contains("Ada"))
        #expect(server.process.errorText == "")
    }

    @Test func `what it says can be read in development, in the log`() async throws {
        let server = try await drillServer()
        try expectTrapped(try await server.get("/_drill/trap?kind=fatal"))
        #expect(try await server.waitForExit() == .code(70))
        let record = try await server.record("Written to standard error")
        #expect(record.json?.value(at: "stderr.text")?.string?.contains("Ada Lovelace") == true)
        #expect(server.process.errorText == "")
    }

    @Test func `switched off, a trap ends the process as it always did`() async throws {
        let server = try await drillServer(["MEDBUILDER_TRAPS": "off", "SWIFT_BACKTRACE": "enable=no"])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/trap?kind=fatal")
        #expect(try await client.remainder().bytes == [])
        #expect(try await server.waitForExit() == .signal(SIGILL))
        #expect(server.process.errorText.contains("Fatal error: drill"))
        #expect(!FileManager.default.fileExists(atPath: try testFolder().path + "/.medbuilder/last-crash"))
    }
}

/// The answer that a client gets whose request trapped.
func expectTrapped(_ answer: RawResponse) throws {
    #expect(answer.status == 500)
    #expect(answer["connection"] == "close")
    #expect(try matches(answer.text, #"\{"error":"internal","id":"[0-9a-f]{16}"\}"#), "\(answer.text)")
}

/// The log says that a trap was contained, and where it was.
func expectStack(in server: ServerProcess, names function: String) throws {
    let record = try #require(server.records.first { $0.message == "Runtime trap contained" })
    let stack = try #require(record.json?.value(at: "error.stack_trace")?.string)
    #expect(stack.contains(function), "\(stack)")
    #expect(record.level == "critical")
}
