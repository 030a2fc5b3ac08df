// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// What the health engine makes of checks that fail in every way, and in which forms the probes tell it.
@Suite(.endToEnd) struct HealthTests {
    // MARK: Checks

    @Test func `a check of no importance makes the server degraded, and a required one not ready`() async throws {
        let server = try await drillServer()
        try await self.register("printer", "fail", on: server)
        try await eventually("it is degraded") { try await self.health(server) == "degraded" }
        #expect(try await server.get("/health").status == 200)
        #expect(try await server.get("/ready").status == 200)

        try await self.register("queue", "fail&required=yes", on: server)
        try await eventually("it is unhealthy") { try await self.health(server) == "unhealthy" }
        #expect(try await server.get("/health").status == 503)
        let ready = try await server.get("/ready")
        #expect(ready.status == 503)
        #expect(try ready.json.value(at: "checks.queue") == .bool(false))

        for name in ["printer", "queue"] { try await self.remove(name, from: server) }
        #expect(try await self.health(server) == "healthy")
        #expect(try await server.get("/ready").status == 200)
    }

    @Test func `a check that stands on one that is down is no alarm of its own`() async throws {
        let server = try await drillServer()
        try await self.register("network", "fail", on: server)
        try await self.register("mail", "pass&after=network", on: server)
        try await eventually("it is degraded") { try await self.health(server) == "degraded" }
        #expect(try await self.check("mail", on: server) == "unknown")
        try await Task.sleep(for: .milliseconds(700))
        let warnings = server.records.filter { $0.level == "warning" }.compactMap { $0.json?["health.check"]?.string }
        #expect(warnings.contains("network") && !warnings.contains("mail"), "\(warnings)")

        try await self.remove("network", from: server)
        try await eventually("mail is up") { try await self.check("mail", on: server) == "healthy" }
    }

    @Test(arguments: ["hang", "throw", "late"])
    func `a check that does not answer as it should is down, and the others go on`(deed: String) async throws {
        let server = try await drillServer()
        try await self.register("printer", deed, on: server)
        try await eventually("it is down") { try await self.check("printer", on: server) == "unhealthy" }
        #expect(try await server.get("/ready").status == 200)
        // However long it hangs, no second run is beside it.
        try await Task.sleep(for: .seconds(1))
        #expect(try await self.check("database", on: server) == "connected")
        try await self.remove("printer", from: server)
        try await self.register("printer", "pass", on: server)
        try await eventually("it is up") { try await self.check("printer", on: server) == "healthy" }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a check that traps ends the server gracefully`() async throws {
        let server = try await drillServer()
        try await self.register("printer", "trap", on: server)
        #expect(try await server.waitForExit() == .code(70))
        #expect(server.sentences == [Sentence.exception, Sentence.closed, Sentence.complete])
    }

    @Test func `a name is registered once`() async throws {
        let server = try await drillServer()
        try await self.register("printer", "pass", on: server)
        #expect(try await server.post("/_drill/checks/printer?does=fail").status == 409)
        for name in ["database", "server", "a%20b"] {
            #expect(try await server.post("/_drill/checks/\(name)?does=pass").status == 409, "\(name)")
        }
        try await eventually("it is up") { try await self.check("printer", on: server) == "healthy" }
    }

    @Test func `a check that is removed while it runs is not heard of again`() async throws {
        let server = try await drillServer()
        for _ in 0..<5 {
            try await self.register("printer", "late", on: server)
            try await self.remove("printer", from: server)
        }
        try await Task.sleep(for: .seconds(1))
        #expect(try await server.get("/health").json.value(at: "checks.printer") == nil)
        #expect(try await self.health(server) == "healthy")
    }

    @Test func `a route that needs a check answers 503 while it is down, and only that route`() async throws {
        let server = try await drillServer()
        #expect(try await server.get("/_drill/printing").status == 503)
        try await self.register("printer", "pass", on: server)
        try await eventually("it prints") { try await server.get("/_drill/printing").status == 200 }
        try await self.remove("printer", from: server)
        try await self.register("printer", "fail", on: server)
        try await eventually("it is down") { try await self.check("printer", on: server) == "unhealthy" }
        let answer = try await server.get("/_drill/printing")
        #expect(answer.status == 503)
        #expect(answer["Retry-After"] == "5")
        #expect(answer.text == #"{"error":"unavailable"}"#)
        #expect(try await server.get("/_drill/hello").status == 200)
    }

    @Test func `in production a failed check says its status and where the reason is`() async throws {
        let file = try makeFolder("data").appending(path: "theirs.sqlite")
        try await SQLiteShell.run("CREATE TABLE t (a); PRAGMA application_id = 1;", on: file)
        let server = try startServer([
            "APP_ENV": "production", "DATABASE_URL": "sqlite:data/theirs.sqlite",
            "PHI_ENCRYPTION_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ])
        try await eventually("the database is an error") {
            try await self.check("database", on: server) == "error"
        }
        let answer = try await server.get("/health")
        let id = try #require(try answer.json.value(at: "checks.database.id")?.string)
        #expect(try answer.json.value(at: "checks.database.reason") == nil)
        let page = try await self.get("/status", accept: "text/html", of: server)
        for text in [answer.text, page.text] {
            #expect(!text.contains("another application") && !text.contains("theirs"), "\(text)")
        }
        // The id is that of the change to down; the reason came with the second record of it.
        try await server.record(described: "its reason") {
            $0.json?["error.id"]?.string == id && $0.line.contains("theirs.sqlite")
        }
    }

    // MARK: Forms

    @Test func `verbose is Kubernetes' own form`() async throws {
        let server = try await drillServer()
        try await self.register("printer", "fail", on: server)
        try await eventually("it is degraded") { try await self.health(server) == "degraded" }
        let answer = try await server.get("/health?verbose")
        #expect(answer.status == 200)
        #expect(answer["Content-Type"] == "text/plain; charset=utf-8")
        let lines = answer.text.split(separator: "\n")
        #expect(lines.contains("[+]database ok"))
        #expect(lines.contains { $0.hasPrefix("[-]printer failed") }, "\(answer.text)")
        #expect(lines.last == "health check passed")
        let ready = try await server.get("/ready?verbose")
        #expect(ready.text.hasPrefix("[+]database ok\n[+]server ok\n"))
        #expect(try await server.get("/live?verbose").text == "[+]progress ok\nlive check passed\n")
    }

    @Test func `what is excluded does not count`() async throws {
        let server = try await drillServer()
        try await self.register("printer", "fail&required=yes", on: server)
        try await self.register("mail", "fail&required=yes", on: server)
        try await eventually("it is not ready") { try await server.get("/ready").status == 503 }
        #expect(try await server.get("/ready?exclude=printer").status == 503)
        #expect(try await server.get("/ready?exclude=printer&exclude=mail").status == 200)
        #expect(try await server.get("/health?exclude=printer&exclude=mail").status == 200)
        let verbose = try await server.get("/health?verbose&exclude=nobody").text
        #expect(verbose.contains(#"no matches for "nobody""#), "\(verbose)")
    }

    @Test func `groups have rules of their own`() async throws {
        let server = try await readyServer()
        let storage = try await server.get("/health/storage")
        #expect(storage.status == 200)
        #expect(try storage.json.value(at: "checks.database.status")?.string == "connected")
        #expect(try storage.json.value(at: "checks.memory") == nil)
        #expect(try await server.get("/health/system?verbose").text.contains("[+]memory ok"))
        #expect(try await server.get("/health/nothing").status == 404)
    }

    @Test func `health plus JSON is what the draft asks for`() async throws {
        let server = try await drillServer()
        let answer = try await self.get("/health", accept: "application/health+json", of: server)
        #expect(answer.status == 200)
        #expect(answer["Content-Type"] == "application/health+json")
        let json = try answer.json
        #expect(json["status"]?.string == "pass")
        #expect(json["releaseId"]?.string != nil)
        #expect(answer.text.contains(#""database:responseTime":[{"componentType":"datastore""#), "\(answer.text)")
        #expect(answer.text.contains(#""memory:utilization":[{"componentType":"system""#), "\(answer.text)")
    }

    @Test(arguments: ["/status", "/health"])
    func `browsers get a page without scripts`(path: String) async throws {
        let server = try await drillServer()
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        let page = try await self.get(path, accept: browser, of: server)
        #expect(page.status == 200)
        #expect(page["Content-Type"] == "text/html; charset=utf-8")
        #expect(page["Content-Security-Policy"]?.hasPrefix("default-src 'none'; style-src 'sha256-") == true)
        #expect(page["X-Content-Type-Options"] == "nosniff")
        #expect(page["Referrer-Policy"] == "no-referrer")
        #expect(page["Refresh"] != nil && page["Cache-Control"] == "no-store")
        #expect(!page.text.contains("<script"))
        for name in ["database", "encryption", "memory", "diskSpace", "fileDescriptors", "clock"] {
            #expect(page.text.contains(name), "\(name)")
        }
    }

    @Test func `the page of a server in trouble is accessible, narrow and wide, light and dark`() async throws {
        let server = try await drillServer()
        try await self.register("printer", "fail", on: server)
        try await self.register("network", "hang&required=yes", on: server)
        try await self.register("mail", "pass&after=network", on: server)
        try await eventually("it is unhealthy") { try await self.health(server) == "unhealthy" }
        let script = Project.file("Tests/EndToEndTests/Tools/axe.py").path
        let checker = try ChildProcess(
            "python3", [script, "http://127.0.0.1:\(try await server.port)/status"],
            environment: [
                "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
                "PYTHONPATH": Project.file(".build-python").path, "HOME": testFolder().path,
            ],
            folder: testFolder()
        )
        try #require(EndToEnd.current).add(checker)
        let exit = try await checker.waitForExit()
        #expect(exit == .code(0), "\(checker.outputText)\(checker.errorText)")
    }

    // MARK: Who may see it

    @Test func `the port for management alone shows how the server is`() async throws {
        let management = try FreePort.next()
        let server = try await drillServer(["MANAGEMENT_PORT": "\(management)"])
        for path in ["/health", "/status", "/health/storage"] {
            #expect(try await server.get(path).status == 404, "\(path)")
            #expect(try await RawClient.exchange(port: management, "GET", path).status == 200, "\(path)")
        }
        for path in ["/live", "/ready"] {
            #expect(try await RawClient.exchange(port: management, "GET", path).status == 200, "\(path)")
        }
        #expect(try await RawClient.exchange(port: management, "GET", "/_drill/hello").status == 404)
    }

    @Test func `the port for management is drained last`() async throws {
        let management = try FreePort.next()
        let server = try await drillServer(
            ServerProcess.longGrace.merging(["MANAGEMENT_PORT": "\(management)"]) { $1 })
        let main = try await server.connect()
        #expect(try await main.get("/live").status == 200)
        let kept = try await RawClient.connect(port: management)
        #expect(try await kept.get("/live").status == 200)
        let running = try await server.inFlight("/_drill/sleep?ms=1500")
        try await server.whileInGrace {
            #expect(try await main.ending() == .closed)
            for _ in 0..<3 {
                let ready = try await kept.get("/ready")
                #expect(ready.status == 503 && !ready.saysClose)
                #expect(try await kept.get("/live").status == 200)
            }
            #expect(try await running.response().status == 200)
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `who is not allowed finds no such page`() async throws {
        let server = try await readyServer([
            "HEALTH_ALLOW": "10.0.0.0/8, 2001:db8::/32", "TRUSTED_PROXIES": "127.0.0.1",
        ])
        #expect(try await server.get("/health").status == 404)
        #expect(try await server.get("/status").status == 404)
        #expect(try await server.get("/ready").status == 200)
        let port = try await server.port
        func status(_ fields: String) async throws -> Int {
            try await RawClient.exchange(port: port, "GET", "/health", fields: fields + "\r\n").status
        }
        #expect(try await status("X-Forwarded-For: 10.1.2.3") == 200)
        #expect(try await status("X-Forwarded-For: 10.1.2.3, 192.0.2.1") == 404)
        #expect(try await status("X-Forwarded-For: ::ffff:10.1.2.3") == 200)
        #expect(try await status("Forwarded: for=\"[2001:db8::1]:4711\"") == 200)
        #expect(try await status("Forwarded: for=unknown") == 404)
    }

    @Test func `what a stranger says of its address counts for nothing`() async throws {
        let server = try await readyServer(["HEALTH_ALLOW": "10.0.0.0/8"])
        let port = try await server.port
        for fields in ["X-Forwarded-For: 10.1.2.3\r\n", "Forwarded: for=10.1.2.3\r\n"] {
            #expect(try await RawClient.exchange(port: port, "GET", "/health", fields: fields).status == 404)
        }
        let allowed = try await readyServer(
            ["HEALTH_ALLOW": "127.0.0.0/8", "HOST": "::"], in: makeFolder("other"))
        // By both families: a socket for both says ::ffff:127.0.0.1.
        #expect(try await allowed.get("/health").status == 200)
    }

    // MARK: Steps

    private func register(_ name: String, _ does: String, on server: ServerProcess) async throws {
        #expect(try await server.post("/_drill/checks/\(name)?does=\(does)").status == 201)
    }

    private func remove(_ name: String, from server: ServerProcess) async throws {
        let port = try await server.port
        let answer = try await RawClient.exchange(port: port, "DELETE", "/_drill/checks/\(name)")
        #expect(answer.text == #"{"removed":true}"#)
    }

    private func health(_ server: ServerProcess) async throws -> String? {
        try await server.get("/health").json["status"]?.string
    }

    private func check(_ name: String, on server: ServerProcess) async throws -> String? {
        try await server.get("/health").json.value(at: "checks.\(name).status")?.string
    }

    private func get(_ path: String, accept: String, of server: ServerProcess) async throws -> RawResponse {
        try await RawClient.exchange(port: server.port, "GET", path, fields: "Accept: \(accept)\r\n")
    }
}
