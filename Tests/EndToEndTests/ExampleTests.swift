// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The packages below `Examples/` do what their documents say, as programs of their own that use nothing but MedRuntime.
@Suite(.endToEnd) struct ExampleTests {
    // MARK: - Hummingbird

    @Test func `hummingbird answers the probes, and is ready when it has loaded what it needs`() async throws {
        try await withExample("hummingbird-server", ["START_MS": "8000"]) { server in
            #expect(try await server.get("/live").status == 200)
            let early = try await server.get("/ready")
            #expect(early.status == 503)
            #expect(try early.json.value(at: "checks.greetings")?.bool == false, "\(early)")
            try await eventually("/ready is 200") { try await server.get("/ready").status == 200 }
            let health = try await server.get("/health")
            #expect(health.status == 200)
            #expect(try health.json.value(at: "checks.greetings.count")?.integer == 2, "\(health)")
            #expect(try await server.get("/health?verbose").text == "[+]greetings ok\nhealth check passed\n")
            #expect(try await server.get("/status")["Content-Type"] == "text/html; charset=utf-8")
            #expect(try await server.get("/hello").status == 200)
            #expect(try await server.get("/nothing").status == 404)
        }
    }

    @Test func `hummingbird answers what is in flight at SIGTERM, and refuses what comes later`() async throws {
        try await withExample("hummingbird-server") { server in
            let held = try await server.inFlight(1, "/sleep?ms=4500")
            server.process.send(SIGTERM)
            try await eventually("new requests are refused") { try await server.get("/hello").status == 503 }
            let late = try await server.get("/hello")
            #expect(late["Retry-After"] == "1")
            #expect(late.saysClose)
            #expect(try await server.get("/ready").status == 503)
            #expect(try await server.get("/live").status == 200)
            let answer = try await held[0].response()
            #expect(answer.status == 200)
            #expect(answer.text == "slept")
            try await expectExit(0, of: server)
            #expect(server.output.contains("Graceful shutdown complete"))
        }
    }

    @Test func `a trap in hummingbird is a 500 for the one who asked for it, and for nobody else`() async throws {
        try await withExample("hummingbird-server") { server in
            let held = try await server.inFlight(5, "/sleep?ms=4500")
            let trapped = try await server.connect()
            let answer = try await trapped.get("/trap")
            #expect(answer.status == 500)
            #expect(answer.saysClose)
            #expect(try await server.get("/ready").status == 503)
            #expect(try await server.get("/live").status == 200)
            for client in held { #expect(try await client.response().status == 200) }
            #expect(try await trapped.ending() == .closed)
            try await expectExit(70, of: server)
            expectTrap(in: server, at: "Routes.router.getter", work: "request")
        }
    }

    @Test func `two traps in hummingbird at once are two answers`() async throws {
        try await withExample("hummingbird-server") { server in
            let held = try await server.inFlight(1, "/sleep?ms=4500")
            let clients = [try await server.connect(), try await server.connect()]
            for client in clients { try await client.request("GET", "/trap") }
            // The second one may come when no new work is accepted any more.
            let statuses = [try await clients[0].response().status, try await clients[1].response().status]
            #expect(statuses.contains(500) && statuses.allSatisfy { $0 == 500 || $0 == 503 }, "\(statuses)")
            #expect(try await held[0].response().status == 200)
            try await expectExit(70, of: server)
        }
    }

    @Test func `hummingbird stops during its start`() async throws {
        try await withExample("hummingbird-server", ["START_MS": "600000"]) { server in
            #expect(try await server.get("/ready").status == 503)
            server.process.send(SIGTERM)
            try await expectExit(0, of: server)
            #expect(server.output.contains("Graceful shutdown complete"))
        }
    }

    // MARK: - A service group

    @Test func `a service group finishes the work in flight at SIGTERM`() async throws {
        try await withExample("service-group", ["WORK_MS": "2000"]) { group in
            try await group.write("Work begun")
            group.process.send(SIGTERM)
            try await expectExit(0, of: group)
            expectWorkDone(in: group, after: "SIGTERM received")
            #expect(group.output.contains("Graceful shutdown complete"))
        }
    }

    @Test func `a trap in work of a service is told to the service, and the other work is finished`() async throws {
        try await withExample("service-group", ["WORK_MS": "2000", "TRAP": "once"]) { group in
            try await group.write("Work begun")
            group.process.send(SIGHUP)
            try await expectExit(70, of: group)
            expectWorkDone(in: group, after: "UNCAUGHT_EXCEPTION received")
            #expect(group.output.contains("The work is lost, the service goes on"))
            expectTrap(in: group, at: "Fragile.trap()", work: "fragile work")
        }
    }

    @Test func `a trap in the run of a service does not keep the process from its end`() async throws {
        try await withExample("service-group", ["WORK_MS": "2000", "TRAP": "service"]) { group in
            try await group.write("Work begun")
            group.process.send(SIGHUP)
            try await expectExit(70, of: group)
            expectWorkDone(in: group, after: "UNCAUGHT_EXCEPTION received")
            #expect(group.output.contains("shutdown.step=services [MedRuntime] A step of the clean-up does not end"))
            expectTrap(in: group, at: "Fragile.run()", work: nil)
        }
    }
}

// MARK: - Running them

/// The program of a package below `Examples/`, running.
private struct Example {
    let process: ChildProcess

    /// Everything it logged so far.
    var output: String { self.process.outputText }

    /// Waits until it has logged `text`.
    func write(_ text: String) async throws {
        try await eventually("the log says '\(text)'") {
            if self.process.hasEnded { throw HarnessError(.exited, "It ended without '\(text)'.") }
            return self.output.contains(text)
        }
    }

    /// The port that it says it serves on; waits for that.
    var port: Int {
        get async throws {
            try await self.write("serving on port ")
            let match = self.output.firstMatch(of: /serving on port ([0-9]+)\n/)
            return try #require(match.flatMap { Int($0.1) })
        }
    }

    func connect() async throws -> RawClient { try await RawClient.connect(port: self.port) }

    func get(_ target: String) async throws -> RawResponse {
        try await RawClient.exchange(port: self.port, "GET", target)
    }

    /// Connections that have each sent one `GET` which the server, being ready, is working on.
    func inFlight(_ count: Int, _ target: String) async throws -> [RawClient] {
        try await eventually("/ready is 200") { try await self.get("/ready").status == 200 }
        var clients: [RawClient] = []
        for _ in 0..<count {
            let client = try await self.connect()
            try await client.request("GET", target)
            clients.append(client)
        }
        // Connections are accepted in order: what was sent before these is being worked on after them.
        for _ in 0..<32 { _ = try await self.get("/live") }
        return clients
    }
}

/// Runs the program of `Examples/NAME` while `body` looks at it.
private func withExample(
    _ name: String,
    _ environment: [String: String] = [:],
    _ body: (Example) async throws -> Void
) async throws {
    let root =
        ProcessInfo.processInfo.environment["MED_ROOT"].map { URL(filePath: $0) }
        ?? Project.root
    let program = root.appending(path: ".build-examples-\(name)/debug/\(name)-example").path
    guard FileManager.default.isExecutableFile(atPath: program) else {
        throw HarnessError(.system, "There is no \(program). Build it with `make examples`.")
    }
    let example = Example(
        process: try ChildProcess(
            program, [],
            environment: ["PATH": "/usr/bin:/bin", "PORT": "0"].merging(environment) { $1 },
            folder: testFolder()
        )
    )
    do {
        try await body(example)
        try await example.process.end()
    } catch {
        try? await example.process.end()
        if error is ExpectationFailedError { throw error }
        throw EndToEndFailure(description: "\(error)\n\(example.output.suffix(8000))\n\(example.process.errorText)")
    }
}

/// Waits until it has ended, with this code, and all its output is read.
private func expectExit(_ code: Int32, of example: Example) async throws {
    let exit = try await example.process.waitForExit()
    try await example.process.waitForOutput()
    #expect(exit == .code(code), "\(example.output)")
}

/// The log says that a trap was contained, in which function and in which work.
private func expectTrap(in example: Example, at function: String, work: String?) {
    let output = example.output
    #expect(output.contains("[MedRuntime] Runtime trap contained"), "\(output)")
    #expect(output.contains(function), "\(output)")
    #expect(output.contains("work.name=") == (work != nil), "\(output)")
    if let work { #expect(output.contains("work.name=\(work) "), "\(output)") }
}

/// Every piece of work that was begun is done, and one of them after the log said `sentence`.
private func expectWorkDone(in example: Example, after sentence: String) {
    let output = example.output
    let begun = output.matches(of: /number=([0-9]+) \S+ Work begun/).map(\.1)
    let done = output.matches(of: /number=([0-9]+) \S+ Work done/).map(\.1)
    #expect(begun == done && !done.isEmpty, "\(output)")
    let later = output.range(of: sentence).map { output[$0.upperBound...] }
    #expect(later?.contains("Work done") == true, "\(output)")
}
