// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// As a service of systemd: what the manager is told, and the unit that asks for it.
@Suite(.endToEnd) struct SystemdTests {
    private static let unit = Project.file("deploy/systemd/medbuilder.service")

    @Test(arguments: [true, false])
    func `the manager is told that the port is open, that the program moves, and that it stops`(isPath: Bool)
        async throws
    {
        let socket = try NotifySocket(in: isPath ? testFolder() : nil)
        let server = try startServer(
            [
                "DRILL_ROUTES": "on", "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "2000000",
                "SHUTDOWN_GRACE_SECONDS": "20",
            ],
            launcher: Self.asMainProcess
        )
        #expect(try await socket.next().first == "READY=1")
        #expect(try await server.get("/live").status == 200)
        try await socket.next(with: "STATUS=Serving.")
        for _ in 1...3 { try await socket.next(with: "WATCHDOG=1") }

        let held = try await server.inFlight("/_drill/sleep?ms=1000")
        server.send(SIGTERM)
        try await socket.next(with: "STOPPING=1")
        #expect(!server.process.hasEnded)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
        #expect(socket.takeAll().last == ["STATUS=Cleaning up."])
    }

    @Test func `while the task pool stands still the watchdog is not fed`() async throws {
        let socket = try NotifySocket(in: testFolder())
        let server = try await drillServer([
            "LIVE_STALL_SECONDS": "0.6", "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "1000000",
        ])
        let client = try await server.connect()
        try await client.request("GET", "/_drill/block?thread=pool&ms=15000")
        try await server.record(described: "the stall of the task pool") {
            $0.message == "Stalled" && $0.field("stall.what") == "task pool"
        }
        _ = socket.takeAll()
        // Twice the time after which systemd would end the process.
        try await Task.sleep(for: .seconds(2))
        #expect(socket.takeAll() == [])
        #expect(try await client.response().status == 200)
        try await socket.next(with: "WATCHDOG=1")
    }

    @Test func `a manager that is gone, or that is somebody else's, changes nothing`() async throws {
        let server = try await drillServer([
            "NOTIFY_SOCKET": testFolder().appending(path: "nobody").path, "WATCHDOG_USEC": "1000000",
            "WATCHDOG_PID": "1",
        ])
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
    }

    @Test func `systemd finds no fault with the unit, and little exposed`() async throws {
        let text = try String(contentsOf: Self.unit, encoding: .utf8)
        // systemd looks whether the program is there.
        let unit = try testFolder().appending(path: "medbuilder.service")
        let path = "/usr/local/bin/medbuilder"
        #expect(text.contains("ExecStart=\(path) serve "))
        try Data(text.replacing(path, with: BinaryUnderTest.path).utf8).write(to: unit)
        let verified = try await finish("systemd-analyze", "verify", "--man=no", unit.path)
        #expect(verified == Finished(exit: .code(0), output: "", errors: ""))
        // In tenths, from 0 for nothing to 100 for everything. What is left is the network, /proc, and the host's root directory.
        let exposed = try await finish("systemd-analyze", "security", "--offline=yes", "--threshold=15", unit.path)
        #expect(exposed.exit == .code(0), "\(exposed.output)")

        try Data(text.replacing("ProtectSystem=strict", with: "ProtectSystme=strict").utf8).write(to: unit)
        #expect(try await finish("systemd-analyze", "verify", "--man=no", unit.path).errors.contains("ProtectSystme"))
        try Data(text.replacing("CapabilityBoundingSet=\n", with: "").utf8).write(to: unit)
        let opened = try await finish("systemd-analyze", "security", "--offline=yes", "--threshold=15", unit.path)
        #expect(opened.exit != .code(0))
    }

    @Test func `the unit's numbers fit the program's`() async throws {
        let unit = try Self.settings(of: Self.unit)
        let config = try await run("config")
        let deadline = config.output.firstMatch(of: #/(?m)^shutdown\.deadlineSeconds +\S+ +(\d+)/#).flatMap {
            Int($0.output.1)
        }
        let stall = config.output.firstMatch(of: #/(?m)^live\.stallSeconds +\S+ +(\d+)/#).flatMap { Int($0.output.1) }
        #expect(unit["TimeoutStopSec"] == "35")
        #expect(try #require(deadline) + 2 <= 35)
        // A stall is seen before the watchdog strikes.
        let watchdog = try #require(unit["WatchdogSec"].flatMap { Int($0) })
        #expect(try watchdog > #require(stall))
        #expect(unit["RestartPreventExitStatus"] == "64 78")
        // It counts for the main process alone, so no other one may meet the settings before.
        #expect(unit["ExecStartPre"] == nil && unit["Environment"] != nil)
        #expect(unit["Type"] == "notify")

        // What it starts is what starts; a settings file is read, and a mistake in it is an exit that is not tried again.
        let start = try #require(unit["ExecStart"]?.split(separator: " ").dropFirst().map(String.init))
        #expect(start == ["serve", "--config", "%d/settings.yaml"])
        let folder = try testFolder()
        let example = try Project.text("deploy/systemd/settings.yaml.example")
        let file = folder.appending(path: "settings.yaml")
        try Data(example.utf8).write(to: file)
        let asItIs = try await finish(
            BinaryUnderTest.path, "serve", "--config", file.path, environment: ["APP_ENV": "production"])
        #expect(asItIs.exit == .code(78))
        #expect(asItIs.errors.contains("phi.encryptionKey"))
        // With a key, it has all that production asks for.
        let key = Data((0..<32).map { UInt8($0) * 7 }).base64EncodedString()
        try Data(example.replacing("encryptionKey: \"\"", with: "encryptionKey: \"\(key)\"").utf8).write(to: file)
        let shown = try await finish(
            BinaryUnderTest.path, "config", "--config", file.path, environment: ["APP_ENV": "production"])
        #expect(shown.exit == .code(0), "\(shown.errors)")
        let text = try String(contentsOf: Self.unit, encoding: .utf8)
        let environment = text.matches(of: /(?m)^Environment=([A-Z_]+)=([a-z]+)$/).map { (String($0.1), String($0.2)) }
        let inForce = try await finish(
            BinaryUnderTest.path, "config", "--config", file.path,
            environment: Dictionary(uniqueKeysWithValues: environment))
        #expect(inForce.output.contains(/(?m)^app\.env +\S+ +production/), "\(inForce.output)")
        #expect(inForce.output.contains(/(?m)^database\.migrate +\S+ +auto/), "\(inForce.output)")
    }

    /// `WATCHDOG_PID` has to be the process that systemd started, which the binary becomes.
    private static let asMainProcess = ["sh", "-c", #"WATCHDOG_PID=$$ exec "$@""#, "sh"]

    /// The last value of each key of a unit file.
    private static func settings(of file: URL) throws -> [String: String] {
        var settings: [String: String] = [:]
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") where !line.hasPrefix("#") {
            guard let separator = line.firstIndex(of: "=") else { continue }
            settings[String(line[..<separator])] = String(line[line.index(after: separator)...])
        }
        return settings
    }
}
