// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What cannot be contained ends the process by its own signal, and the next start says what happened.
@Suite(.endToEnd) struct CrashTests {
    @Test(arguments: [("segv", "DrillCrash.corrupt()"), ("stackoverflow", "DrillCrash.overflowStack(depth:)")])
    func `a crash leaves a record that the next start logs, once`(route: String, function: String) async throws {
        let server = try await drillServer(["SWIFT_BACKTRACE": "enable=no"])
        let held = try await server.inFlight("/_drill/sleep?ms=60000")
        let client = try await server.connect()
        try await client.request("GET", "/_drill/\(route)")
        #expect(try await client.remainder().bytes == [])
        #expect(try await server.waitForExit() == .signal(SIGSEGV))
        #expect(try await held.remainder().bytes == [])

        let next = try await readyServer()
        let record = try await next.record("The last process crashed")
        #expect(record.level == "critical")
        let json = try #require(record.json)
        #expect(json.value(at: "error.type")?.string == "SIGSEGV")
        #expect(json.value(at: "process.thread.name")?.string == "med-tasks")
        #expect(json.value(at: "crash.in_flight")?.string == "2")
        #expect(json.value(at: "crash.complete")?.string == "true")
        #expect(try matches(try #require(json.value(at: "crash.build_id")?.string), "[0-9a-f]{40}"))
        #expect(json.value(at: "error.stack_trace")?.string?.contains(function) == true, "\(record)")
        next.send(SIGTERM)
        #expect(try await next.waitForExit() == .code(0))
        let third = try await readyServer()
        #expect(!third.messages.contains("The last process crashed"))
    }

    @Test(arguments: [SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGILL, SIGTRAP])
    func `a signal that somebody sends is a crash and not a trap`(signal: Int32) async throws {
        let server = try await drillServer(["SWIFT_BACKTRACE": "enable=no"])
        server.send(signal)
        #expect(try await server.waitForExit() == .signal(signal))
        let text = try String(contentsOfFile: testFolder().path + "/.medbuilder/last-crash", encoding: .utf8)
        #expect(text.hasPrefix("crash record 1\n"))
        #expect(text.contains("\nsignal=\(signal)\n"))
        #expect(text.hasSuffix("end\n"))
        #expect(server.sentences == [])
    }

    @Test func `a record holds nothing that was in memory`() async throws {
        let server = try await drillServer(["SWIFT_BACKTRACE": "enable=no"])
        // What a patient's request could hold: it is in memory, in the path and in a header.
        let client = try await server.connect()
        try await client.send(
            "GET /_drill/segv?name=Lovelace HTTP/1.1\r\nHost: localhost\r\nX-Patient: Lovelace\r\n\r\n"
        )
        _ = try await client.remainder()
        #expect(try await server.waitForExit() == .signal(SIGSEGV))
        let text = try String(contentsOfFile: testFolder().path + "/.medbuilder/last-crash", encoding: .utf8)
        let line =
            #"(crash record 1|end|build_id=[0-9a-f]+|program=/.*/medbuilder|signal=11|code=1|thread=[0-9]+|thread_name=med-tasks"#
            + #"|uptime_ms=[0-9]+|in_flight=1|frame=[0-9a-f]+( /.*)?)"#
        for part in text.split(separator: "\n") { #expect(try matches(String(part), line), "\(part)") }
        #expect(!text.contains("Lovelace"))
    }

    @Test(arguments: [
        "", "crash record 1\nsignal=11\nframe=zz\nframe=1f /no/such/file\nthread=", "\u{0}\u{1}garbage\n=\n===",
    ])
    func `a record that was cut or damaged is logged as far as it can be read`(text: String) async throws {
        let folder = try testFolder()
        try FileManager.default.createDirectory(
            at: folder.appending(path: ".medbuilder"), withIntermediateDirectories: true)
        try text.write(to: folder.appending(path: ".medbuilder/last-crash"), atomically: false, encoding: .utf8)
        let server = try await readyServer()
        let record = server.records.first { $0.message == "The last process crashed" }
        #expect((record == nil) == text.isEmpty)
        if let record { #expect(record.json?.value(at: "crash.complete")?.string == "false") }
    }

    @Test func `a file of somebody else is left alone`() async throws {
        let folder = try testFolder()
        let state = folder.appending(path: ".medbuilder")
        try FileManager.default.createDirectory(at: state, withIntermediateDirectories: true)
        let other = folder.appending(path: "other")
        try "somebody's".write(to: other, atomically: false, encoding: .utf8)
        #expect(link(other.path, state.appending(path: "last-crash").path) == 0)
        #expect(mkfifo(state.appending(path: "last-exit").path, 0o600) == 0)
        let server = try await readyServer()
        #expect(server.messages.count { $0 == "No file for last words" } == 2)
        #expect(!server.messages.contains("The last process crashed"))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(try String(contentsOf: other, encoding: .utf8) == "somebody's")
    }

    @Test func `what cannot be recorded is no reason not to start`() async throws {
        let folder = try testFolder()
        try FileManager.default.createDirectory(
            at: folder.appending(path: ".medbuilder/last-crash"), withIntermediateDirectories: true)
        let server = try await drillServer(["SWIFT_BACKTRACE": "enable=no"])
        try await server.record("No file for last words")
        let client = try await server.connect()
        try await client.request("GET", "/_drill/segv")
        _ = try await client.remainder()
        #expect(try await server.waitForExit() == .signal(SIGSEGV))
    }

    @Test func `where patients are, nothing but the log says anything`() async throws {
        let key = Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        let folder = try testFolder()
        let server = try await readyServer([
            "APP_ENV": "staging", "DRILL_ROUTES": "on", "PHI_ENCRYPTION_KEY": key,
            "DATABASE_URL": "sqlite:\(folder.path)/staging.sqlite", "DATABASE_MIGRATE": "auto",
        ])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/segv")
        _ = try await client.remainder()
        // Not even Swift's own backtracer, which shows registers and memory, although it is on by default.
        #expect(try await server.waitForExit() == .signal(SIGSEGV))
        #expect(server.process.errorText == "")
    }
}
