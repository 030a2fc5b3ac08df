// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What begins a shutdown, what a second trigger does, and with which code it ends.
@Suite(.endToEnd) struct TriggerTests {
    @Test(arguments: [(SIGTERM, SIGTERM), (SIGTERM, SIGINT), (SIGINT, SIGTERM), (SIGINT, SIGINT)])
    func `a second signal of either kind exits at once`(first: Int32, second: Int32) async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        server.send(first)
        try await server.record(first == SIGTERM ? Sentence.terminate : Sentence.interrupt)
        server.send(second)
        #expect(try await server.waitForExit() == .code(2))
        #expect(server.sentences == [first == SIGTERM ? Sentence.terminate : Sentence.interrupt])
        _ = try await held.remainder()
    }

    @Test func `a second signal in the drain delay exits at once`() async throws {
        let server = try await readyServer(["SHUTDOWN_DRAIN_DELAY_SECONDS": "20"])
        try await server.terminate()
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(2))
    }

    @Test func `a signal ends a server that waits for its settings, from the first line of main on`() async throws {
        let folder = try testFolder()
        let pipe = folder.appending(path: "settings.yaml").path
        #expect(mkfifo(pipe, 0o600) == 0)
        let server = try startServer(arguments: ["serve", "--config", pipe])
        // Bit 14 is SIGTERM's: the handler is there although not one setting has been read.
        try await eventually("SIGTERM is caught") {
            let status = try String(contentsOfFile: "/proc/\(server.process.identifier)/status", encoding: .utf8)
            let caught = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.split(separator: "\t").last
            return caught.flatMap { UInt64($0, radix: 16) }.map { $0 & 1 << 14 != 0 } ?? false
        }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a process that is killed during its shutdown is reported by the next start, once`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        try await server.terminate()
        try await eventually("the drain has begun") { try await server.get("/ready").status == 503 }
        server.send(SIGKILL)
        #expect(try await server.waitForExit() == .signal(SIGKILL))
        _ = try await held.remainder()

        let second = try await readyServer()
        try await second.record("The last shutdown was not logged to its end")
        second.send(SIGTERM)
        #expect(try await second.waitForExit() == .code(0))
        let third = try await readyServer()
        #expect(!third.messages.contains("The last shutdown was not logged to its end"))
    }

    @Test func `an error that ends a supervised task shuts the server down`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=1000")
        #expect(try await server.post("/_drill/task-throw").status == 202)
        try await server.record(Sentence.rejection)
        // In-flight requests are treated as after a signal.
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.rejection, Sentence.closed, Sentence.complete])
    }

    @Test func `during a shutdown that an exception began, the first signal is only logged, the next exits with 2`()
        async throws
    {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        #expect(try await server.post("/_drill/task-throw").status == 202)
        try await server.record(Sentence.rejection)

        server.send(SIGTERM)
        try await server.record(described: "a record of the signal") { $0.line.contains("SIGTERM") }
        #expect(held.isQuiet)
        #expect(try await server.get("/live").status == 200)
        server.send(SIGINT)
        #expect(try await server.waitForExit() == .code(2))
        // The first trigger names the line, and there is one.
        #expect(server.sentences == [Sentence.rejection])
    }

    @Test func `one signal during such a shutdown changes nothing`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=1500")
        #expect(try await server.post("/_drill/task-throw").status == 202)
        try await server.record(Sentence.rejection)
        server.send(SIGTERM)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.rejection, Sentence.closed, Sentence.complete])
    }

    @Test func `an exception during a shutdown that a signal began turns its code to 70`() async throws {
        let server = try await drillServer(ServerProcess.longDrain)
        try await server.terminate()
        #expect(try await server.post("/_drill/task-throw").status == 202)
        try await server.record("Already shutting down")
        try await server.endDrainDelay()
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
    }

    @Test func `a signal, an exception and a signal exit with 2`() async throws {
        let server = try await drillServer(["SHUTDOWN_DRAIN_DELAY_SECONDS": "20", "SHUTDOWN_GRACE_SECONDS": "5"])
        try await server.terminate()
        #expect(try await server.post("/_drill/task-throw").status == 202)
        try await Task.sleep(for: .milliseconds(200))
        server.send(SIGINT)
        #expect(try await server.waitForExit() == .code(2))
    }

    @Test func `at the deadline the code is 1, exception or not`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.2", "SHUTDOWN_DEADLINE_SECONDS": "1"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000&ignore-cancel=1")
        #expect(try await server.post("/_drill/task-throw").status == 202)
        #expect(try await server.waitForExit() == .code(1))
        #expect(server.sentences == [Sentence.rejection, Sentence.forced])
        _ = try await held.remainder()
    }

    @Test func `SIGHUP and SIGPIPE stop nothing, before and during a shutdown`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await server.inFlight("/_drill/sleep?ms=1500")
        for signal in [SIGHUP, SIGPIPE, SIGHUP, SIGHUP] { server.send(signal) }
        #expect(try await server.get("/ready").status == 200)
        #expect(server.sentences == [])
        try await server.terminate()
        for signal in [SIGHUP, SIGPIPE, SIGHUP] { server.send(signal) }
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `SIGHUP while it starts stops nothing`() async throws {
        let server = try startServer()
        try await eventually("main runs") { isHandled(SIGHUP, by: server.process.identifier) }
        server.send(SIGHUP)
        try await server.waitUntilReady()
        #expect(try await server.get("/ready").status == 200)
    }

    @Test func `a signal at any moment of the start ends it cleanly`() async throws {
        for round in 0..<40 {
            let server = try startServer(in: makeFolder("round-\(round % 8)"))
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60)))
            server.send(SIGTERM)
            let exit = try await server.waitForExit()
            if exit == .signal(SIGTERM) {
                // Before the first line of main, nobody can handle it; then nothing else has happened either.
                #expect(server.process.outputText == "")
            } else {
                #expect(exit == .code(0))
                #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
            }
            #expect(server.process.errorText == "")
        }
    }

    @Test(arguments: [true, false])
    func `a signal while the database is locked at start-up ends it cleanly`(isNew: Bool) async throws {
        if !isNew {
            let first = try await readyServer(["DATABASE_URL": "sqlite:locked.sqlite"])
            // A file that was closed in the midst of everything, with its log beside it.
            try await first.process.end()
        }
        let shell = try await lock(try testFolder().appending(path: "locked.sqlite"))
        let server = try startServer(["DATABASE_URL": "sqlite:locked.sqlite"])
        #expect(try await server.get("/ready").status == 503)
        try await Task.sleep(for: .milliseconds(300))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        try await shell.release()
    }

    @Test func `a signal before the lock is let go, and requests meanwhile, lose nothing`() async throws {
        let shell = try await lock(try testFolder().appending(path: "locked.sqlite"))
        let server = try startServer(["DATABASE_URL": "sqlite:locked.sqlite", "DRILL_ROUTES": "on"])
        #expect(try await server.get("/_drill/sleep?ms=10").status == 200)
        try await shell.release()
        try await server.waitUntilReady()
        #expect(try await server.post("/_drill/transaction?value=later").status == 201)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    // MARK: Process 1

    @Test(.enabled("Process namespaces need root and CAP_SYS_ADMIN.", canBeProcessOne))
    func `as process 1, a signal at any moment after the first line of main ends it cleanly`() async throws {
        for _ in 0..<10 {
            let server = try startServer(launcher: Self.asProcessOne)
            try await eventually("main runs") {
                self.child(of: server).map { self.isHandled(SIGTERM, by: $0) } ?? false
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...40)))
            _ = kill(try #require(self.child(of: server)), SIGTERM)
            #expect(try await server.waitForExit() == .code(0))
            #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        }
    }

    @Test(.enabled("Process namespaces need root and CAP_SYS_ADMIN.", canBeProcessOne))
    func `as process 1, a second signal exits at once`() async throws {
        let server = try startServer(
            ["DRILL_ROUTES": "on", "SHUTDOWN_GRACE_SECONDS": "20"], launcher: Self.asProcessOne)
        try await server.waitUntilReady()
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        let identifier = try #require(self.child(of: server))
        _ = kill(identifier, SIGTERM)
        try await server.record(Sentence.terminate)
        _ = kill(identifier, SIGINT)
        #expect(try await server.waitForExit() == .code(2))
        _ = try await held.remainder()
    }

    private static let asProcessOne = ["unshare", "--pid", "--fork", "--kill-child"]

    private static func canBeProcessOne() async -> Bool {
        (try? await runTool("unshare", ["--pid", "--fork", "--kill-child", "true"])) != nil
    }

    /// The one process that another has started.
    private func child(of server: ServerProcess) -> pid_t? {
        let parent = server.process.identifier
        let children = try? String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .utf8)
        return children.flatMap { $0.split(separator: " ").first }.flatMap { pid_t($0) }
    }

    /// Whether a signal no longer ends the process: it is caught, ignored or held back, as the kernel tells it.
    private func isHandled(_ signal: Int32, by identifier: pid_t) -> Bool {
        // `env`, `setpriv` and `unshare`, which come before the binary, hold nothing back that they do not give back.
        guard (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(identifier)/exe")) == Self.binary,
            let status = try? String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)
        else { return false }
        return status.split(separator: "\n").contains { line in
            guard ["SigIgn:", "SigCgt:", "SigBlk:"].contains(where: line.hasPrefix),
                let mask = line.split(separator: "\t").last
            else { return false }
            return (UInt64(mask, radix: 16) ?? 0) & (1 << (UInt64(signal) - 1)) != 0
        }
    }

    private static let binary = URL(filePath: BinaryUnderTest.path).resolvingSymlinksInPath().path
}
