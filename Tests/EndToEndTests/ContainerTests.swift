// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// As process 1 of a container, under the limits that containers have, all holds the same.
@Suite(.endToEnd, .enabled(if: Container.obstacle == nil, Comment(rawValue: Container.obstacle ?? "")))
struct ContainerTests {
    @Test func `the binary is process 1, and its limits are in force`() async throws {
        let (container, server) = try await containedServer()
        #expect(try await server.get("/live").status == 200)
        #expect(try await server.get("/ready").status == 200)

        let process = try #require(container.processOne(of: server))
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        // Its number in each namespace, the innermost last.
        #expect(status.contains(/NSpid:\t[0-9]+\t[0-9]+\t1\n/), "\(status)")
        #expect(status.contains("Uid:\t65532\t65532\t65532\t65532\n"))
        #expect(status.contains("Seccomp:\t2\n"))
        let limits = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8)
        #expect(limits.contains(#/Max open files +1024 +1024 /#), "\(limits)")
        #expect(limits.contains(#/Max processes +1000 +1000 /#), "\(limits)")
        // The database is where the binary was told to work.
        let database = container.folder.appending(path: ".medbuilder/medbuilder.sqlite")
        #expect(FileManager.default.fileExists(atPath: database.path))
    }

    @Test func `with one processor it serves and stops`() async throws {
        let (container, server) = try await containedServer(options: ["--cpuset-cpus", Processors.first])
        let process = try #require(container.processOne(of: server))
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        #expect(status.contains("Cpus_allowed_list:\t\(Processors.first)\n"))
        try await container.podman(["stop"], of: server)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test(arguments: [["stop", "--time", "30"], ["kill", "--signal", "TERM"], ["kill", "--signal", "INT"]])
    func `told by podman, it stops gracefully`(command: [String]) async throws {
        let (container, server) = try await containedServer(["DRILL_ROUTES": "on", "SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=1000")
        try await container.podman(command, of: server)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
        let first = command.last == "INT" ? Sentence.interrupt : Sentence.terminate
        #expect(server.sentences == [first, Sentence.closed, Sentence.complete])
        #expect(server.process.errorText == "")
    }

    @Test func `a second signal exits at once`() async throws {
        let (container, server) = try await containedServer(["DRILL_ROUTES": "on", "SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        try await container.podman(["kill", "--signal", "TERM"], of: server)
        try await server.record(Sentence.terminate)
        try await container.podman(["kill", "--signal", "TERM"], of: server)
        #expect(try await server.waitForExit() == .code(2))
        _ = try await held.remainder()
    }

    @Test func `the code of an exception comes through`() async throws {
        let (_, server) = try await containedServer(["DRILL_ROUTES": "on"])
        #expect(try await server.post("/_drill/task-throw").status == 202)
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.rejection, Sentence.closed, Sentence.complete])
    }

    @Test(arguments: ["nil", "transaction", "eventloop"])
    func `a trap is contained, and its stack can be read`(kind: String) async throws {
        let (_, server) = try await containedServer(["DRILL_ROUTES": "on", "SHUTDOWN_DRAIN_DELAY_SECONDS": "0.5"])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/trap?kind=\(kind)")
        if kind == "eventloop" {
            #expect(try await client.remainder().bytes == [])
        } else {
            try expectTrapped(try await client.response())
        }
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.exception, Sentence.closed, Sentence.complete])
        try expectStack(in: server, names: "DrillTrap.spring()")
    }

    @Test func `a crash of process 1 is recorded, and its signal comes through`() async throws {
        let (container, server) = try await containedServer(["DRILL_ROUTES": "on", "SWIFT_BACKTRACE": "enable=no"])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/segv")
        _ = try await client.remainder()
        #expect(try await server.waitForExit() == .code(128 + SIGSEGV))
        let record = container.folder.appending(path: ".medbuilder/last-crash")
        #expect(try String(contentsOf: record, encoding: .utf8).hasSuffix("end\n"))
    }

    @Test func `nothing is left of a container that is killed with its podman`() async throws {
        let (container, server) = try await containedServer()
        let process = try #require(container.processOne(of: server))
        try await server.process.end()
        try await container.remove()
        try await eventually("process 1 is gone") { kill(process, 0) != 0 }
        #expect(container.traces == [])
    }
}
