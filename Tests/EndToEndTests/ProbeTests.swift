// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

@Suite(.endToEnd) struct ProbeTests {
    static let probes = ["/live", "/ready", "/health"]

    @Test func `live is exactly its body`() async throws {
        let answer = try await readyServer().get("/live")
        #expect(answer.status == 200)
        #expect(
            try matches(answer.text, #"\{"alive":true,"timestamp":"\#(timestampPattern)","uptime":\d+\}"#), "\(answer)")
    }

    @Test func `ready is exactly its body`() async throws {
        let answer = try await readyServer().get("/ready")
        #expect(answer.status == 200)
        let pattern = #"\{"ready":true,"timestamp":"\#(timestampPattern)","checks":\{"database":true,"server":true\}\}"#
        #expect(try matches(answer.text, pattern), "\(answer)")
    }

    @Test(arguments: [
        // What decides the encryption, and its three flags: a key in force, a key configured.
        ("", "true,\"keySet\":true"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "true,\"keySet\":true"),
        ("off", "false,\"keySet\":false"),
    ])
    func `health is exactly its body`(key: String, flags: String) async throws {
        let variable = key == "off" ? "PHI_ENCRYPTION" : "PHI_ENCRYPTION_KEY"
        let answer = try await readyServer(key.isEmpty ? [:] : [variable: key]).get("/health")
        #expect(answer.status == 200)
        let pattern =
            #"\{"status":"(healthy|degraded)","timestamp":"\#(timestampPattern)","uptime":\d+,"#
            + #""checks":\{"database":\{"status":"connected","responseTime":\d+\},"#
            + #""encryption":\{"enabled":\#(flags),"keyValid":true,"testPassed":true,"#
            + #""algorithm":"aes-256-gcm","keyLength":32,"environment":"development"\},"#
            + #""memory":\{"used":\d+,"total":\d+,"percentage":\d+\},"#
            + #""diskSpace":\{"used":\d+,"total":\d+,"percentage":\d+,"inodePercentage":(\d+|null)\},"#
            + #""fileDescriptors":\{"used":\d+,"total":\d+,"percentage":\d+\},"clock":\{"jump":0\}\},"#
            + #""environment":"development"\}"#
        #expect(try matches(answer.text, pattern), "\(answer)")
        let json = try answer.json
        let percentage = try #require(json.value(at: "checks.memory.percentage")?.integer)
        #expect(json["status"]?.string == (percentage > 90 ? "degraded" : "healthy"))
    }

    @Test func `the keys of health come in the order of the contract`() async throws {
        let answer = try await readyServer(["APP_ENV": "test"]).get("/health")
        #expect(
            try answer.json.keyPaths == [
                "status", "timestamp", "uptime", "checks",
                "checks.database", "checks.database.status", "checks.database.responseTime",
                "checks.encryption", "checks.encryption.enabled", "checks.encryption.keySet",
                "checks.encryption.keyValid",
                "checks.encryption.testPassed", "checks.encryption.algorithm", "checks.encryption.keyLength",
                "checks.encryption.environment",
                "checks.memory", "checks.memory.used", "checks.memory.total", "checks.memory.percentage",
                "checks.diskSpace", "checks.diskSpace.used", "checks.diskSpace.total", "checks.diskSpace.percentage",
                "checks.diskSpace.inodePercentage",
                "checks.fileDescriptors", "checks.fileDescriptors.used", "checks.fileDescriptors.total",
                "checks.fileDescriptors.percentage",
                "checks.clock", "checks.clock.jump",
                "environment",
            ]
        )
        #expect(try answer.json["environment"]?.string == "test")
        #expect(try answer.json.value(at: "checks.encryption.environment")?.string == "test")
    }

    @Test(arguments: probes)
    func `probes say what they are and that nobody may keep them`(path: String) async throws {
        let answer = try await readyServer().get(path)
        #expect(answer["Content-Type"] == "application/json; charset=utf-8")
        #expect(answer["Cache-Control"] == "no-store")
        #expect(answer.framing == .length(answer.body.count))
        #expect(!answer.saysClose)
    }

    @Test(arguments: probes)
    func `HEAD answers like GET, without the body`(path: String) async throws {
        let client = try await readyServer().connect()
        try await client.request("HEAD", path)
        let head = try await client.response(to: "HEAD")
        // On the same connection: a stray body would be in the way of this answer.
        let get = try await client.get(path)
        #expect(head.status == 200)
        #expect(get.status == 200)
        for field in ["Content-Type", "Cache-Control"] { #expect(head[field] == get[field]) }
        // The length may differ by the digits of a figure that has changed in between.
        let length = try #require(head["Content-Length"].flatMap(Int.init))
        #expect(abs(length - get.body.count) <= 4)
    }

    @Test(arguments: probes)
    func `every other method is refused, and told what is allowed`(path: String) async throws {
        let server = try await readyServer()
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
            let client = try await server.connect()
            try await client.request(method, path)
            let answer = try await client.response(to: method)
            #expect(answer.status == 405, "\(method) \(path): \(answer)")
            let allowed = Set((answer["Allow"] ?? "").split(separator: ",").map { $0.trimmingPrefix(" ") })
            #expect(allowed == ["GET", "HEAD"], "\(method) \(path): \(answer)")
        }
    }

    @Test func `a query is no part of the path`() async throws {
        let server = try await readyServer()
        for path in Self.probes { #expect(try await server.get("\(path)?at=now").status == 200) }
    }

    @Test func `what is not there is 404`() async throws {
        let server = try await readyServer()
        for path in ["/", "/lives", "/health/nothing", "/.medbuilder/phi.key", "/_drill/sleep"] {
            #expect(try await server.get(path).status == 404, "\(path)")
        }
    }

    @Test func `a timestamp is the moment of the answer`() async throws {
        let client = try await readyServer().connect()
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for path in Self.probes {
            let before = Date()
            let answer = try await client.get(path)
            let after = Date()
            let timestamp = try style.parse(#require(try answer.json["timestamp"]?.string))
            // Milliseconds are cut off or rounded.
            #expect(timestamp > before.addingTimeInterval(-0.002) && timestamp < after.addingTimeInterval(0.002))
        }
    }

    @Test func `uptime counts whole seconds since the process started`() async throws {
        let before = ContinuousClock.now
        let server = try await readyServer()
        let first = try #require(try await server.get("/live").json["uptime"]?.integer)
        #expect(Duration.seconds(first) <= ContinuousClock.now - before)
        var later = first
        try await eventually("a second has passed") {
            later = try #require(try await server.get("/live").json["uptime"]?.integer)
            return later >= first + 1
        }
        #expect(Duration.seconds(later) <= ContinuousClock.now - before)
        #expect(try await #require(server.get("/health").json["uptime"]?.integer) > first)
    }

    @Test func `the port is open and live while the database is locked; ready and health say what is missing`()
        async throws
    {
        let database = try testFolder().appending(path: "locked.sqlite")
        let shell = try await lock(database)
        let server = try startServer(["DATABASE_URL": "sqlite:locked.sqlite"])

        let live = try await server.get("/live")
        let ready = try await server.get("/ready")
        let health = try await server.get("/health")
        #expect(live.status == 200)
        #expect(try live.json["alive"] == .bool(true))
        #expect(ready.status == 503)
        let pattern =
            #"\{"ready":false,"timestamp":"\#(timestampPattern)","checks":\{"database":false,"server":false\}\}"#
        #expect(try matches(ready.text, pattern), "\(ready)")
        let status = try #require(try health.json["status"]?.string)
        let database1 = try #require(try health.json.value(at: "checks.database.status")?.string)
        // Before the first check it is merely disconnected; a file that is locked for long is an error.
        #expect(
            [["degraded", "disconnected"], ["unhealthy", "error"]].contains([status, database1]),
            "\(health)"
        )
        #expect(health.status == (status == "unhealthy" ? 503 : 200))
        #expect(ready["Content-Type"] == "application/json; charset=utf-8")
        #expect(ready["Cache-Control"] == "no-store")

        try await shell.release()
        try await server.waitUntilReady()
        #expect(try await server.get("/health").json.value(at: "checks.database.status") == .string("connected"))
    }

    @Test func `probes leave no trace in the log`() async throws {
        let server = try await readyServer(["LOG_LEVEL": "debug"])
        for path in Self.probes { _ = try await server.get(path + "?needle-in-the-log") }
        server.send(SIGTERM)
        _ = try await server.waitForExit()
        #expect(!server.process.outputText.contains("needle-in-the-log"))
    }

    @Test func `the start without any setting`() async throws {
        let folder = try testFolder()
        let server = try await readyServer()
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))

        let state = folder.appending(path: ".medbuilder")
        #expect(FileManager.default.fileExists(atPath: state.appending(path: "medbuilder.sqlite").path))
        #expect(try permissions(of: state) == 0o700)
        #expect(try permissions(of: state.appending(path: "phi.key")) == 0o600)
        // The state folder is all that appears.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [".medbuilder"])
    }

    private func permissions(of file: URL) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    }
}
