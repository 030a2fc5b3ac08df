// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// The Compose file and what it mounts: they can be read, their numbers are those of the contract, and the load balancer loses nothing.
@Suite(.endToEnd) struct ComposeTests {
    @Test func `the server is described as the contract says`() async throws {
        let server = try await Self.services()["medbuilder"]
        #expect(server?["deploy"]?["replicas"]?.number == 3)
        #expect(server?["stop_grace_period"]?.string == "35s")
        let policy = server?["deploy"]?["restart_policy"]
        #expect(policy?["condition"]?.string == "on-failure")
        #expect(policy?["delay"]?.string == "5s")
        #expect(policy?["max_attempts"]?.number == 3)
        let check = server?["healthcheck"]
        #expect(check?["test"]?.strings == ["CMD", "/usr/local/bin/medbuilder", "probe", "health"])
        #expect(check?["interval"]?.string == "30s")
        #expect(check?["timeout"]?.string == "3s")
        #expect(check?["start_period"]?.string == "40s")
        #expect(check?["retries"]?.number == 3)
        #expect(server?["read_only"]?.bool == true)
        #expect(server?["environment"]?["APP_ENV"]?.string == "production")
    }

    @Test func `its health check is that of the image`() async throws {
        let check = try await Self.services()["medbuilder"]?["healthcheck"]
        let words = try ["test", "interval", "timeout", "start_period", "retries"].map { try #require(check?[$0]) }
        let command = words[0].strings.dropFirst().map { "\"\($0)\"" }.joined(separator: ", ")
        let image = try Project.text("deploy/docker/Dockerfile")
        #expect(
            image.contains(
                "HEALTHCHECK --interval=\(words[1].string ?? "") --timeout=\(words[2].string ?? "")"
                    + " --start-period=\(words[3].string ?? "") --retries=\(words[4].number ?? 0) CMD [\(command)]"))
    }

    @Test func `the program starts with its environment, and its budget holds`() async throws {
        let services = try await Self.services()
        var environment = try #require(services["medbuilder"]?["environment"]?.object).compactMapValues(\.string)
        #expect(environment["DATABASE_URL"]?.hasPrefix("postgres://medbuilder:secret@postgres:5432/medbuilder") == true)
        let shown = try await run("config", environment: environment)
        #expect(shown.exit == .code(0), "\(shown.errors)")
        let deadline = shown.output.firstMatch(of: #/(?m)^shutdown\.deadlineSeconds +\S+ +(\d+)/#).flatMap {
            Int($0.output.1)
        }
        #expect(try #require(deadline) + 2 <= 35)
        // Without the key it is a mistake that is told.
        environment["PHI_ENCRYPTION_KEY"] = nil
        #expect(try await run("config", environment: environment).exit == .code(78))
        // The migrations have the same database and key.
        let migrations = try #require(services["migrate"]?["environment"]?.object).compactMapValues(\.string)
        #expect(migrations["DATABASE_URL"] == environment["DATABASE_URL"])
        #expect(services["migrate"]?["command"]?.strings == ["migrate"])
    }

    @Test func `without its secrets it cannot be read, and with a mistake neither`() async throws {
        await #expect(throws: HarnessError.self) { try await Self.services(environment: "POSTGRES_PASSWORD=secret\n") }
        await #expect(throws: HarnessError.self) {
            try await Self.services { $0.replacing("stop_grace_period: 35s", with: "stop_grace_time: 35s") }
        }
    }

    @Test func `monitoring is there for those who ask`() async throws {
        let names = ["haproxy", "medbuilder", "migrate", "postgres"]
        #expect(try await Self.services().keys.sorted() == names)
        let all = try await Self.services(profiles: ["monitoring"])
        #expect(all.keys.sorted() == (names + ["grafana", "prometheus"]).sorted())
        // Everything that is mounted is there.
        for (name, service) in all {
            for volume in service["volumes"]?.strings ?? [] where volume.hasPrefix(".") {
                let path = volume.split(separator: ":")[0]
                let file = Project.file("deploy/compose/\(path)").path
                #expect(FileManager.default.fileExists(atPath: file), "\(name) mounts \(volume)")
            }
        }
        // Grafana finds the dashboard where it is told to look.
        let mounted = try #require(all["grafana"]?["volumes"]?.strings.first { $0.contains("dashboard.json") })
        let place = try #require(
            try Project.text("deploy/compose/grafana-dashboards.yml").firstMatch(of: /path: (\S+)/))
        #expect(mounted.contains(":\(place.1)/"))
    }

    @Test func `HAProxy and Prometheus find no fault with their files`() async throws {
        let proxy = try await finish("haproxy", "-c", "-f", Project.file("deploy/compose/haproxy.cfg").path)
        #expect(proxy.exit == .code(0))
        #expect(!(proxy.output + proxy.errors).contains("WARNING"), "\(proxy.output)\(proxy.errors)")
        let file = Project.file("deploy/compose/prometheus.yml")
        // As the mounts put them: the rules beside the file.
        let folder = try makeFolder("prometheus")
        try FileManager.default.copyItem(at: file, to: folder.appending(path: "prometheus.yml"))
        try FileManager.default.copyItem(
            at: Project.file("deploy/prometheus/rules"), to: folder.appending(path: "rules"))
        let compose = try Project.text("deploy/compose/compose.yaml")
        #expect(compose.contains("- ../prometheus/rules:/etc/prometheus/rules:ro\n"))
        let checked = try await finish("promtool", "check", "config", folder.appending(path: "prometheus.yml").path)
        #expect(checked.exit == .code(0), "\(checked.errors)")
        // A pattern that meets no file is no fault to it.
        #expect(checked.output.contains("2 rule files found"), "\(checked.output)")
        // It asks the port that has the metrics, and the one that HAProxy has.
        let text = try String(contentsOf: file, encoding: .utf8)
        let server = try await Self.services()["medbuilder"]
        #expect(text.contains("port: \(server?["environment"]?["MANAGEMENT_PORT"]?.string ?? "none")\n"))
        let balancer = try Project.text("deploy/compose/haproxy.cfg")
        #expect(balancer.contains("bind :8405\n") && text.contains("haproxy:8405"))
        #expect(balancer.contains("medbuilder:5000 "))
    }

    @Test func `behind this load balancer no request fails while three replicas are replaced in turn`() async throws {
        let services = try await Self.services()
        let environment = try #require(services["medbuilder"]?["environment"]?.object)
        let settings = [
            "DRILL_ROUTES": "on", "SHUTDOWN_GRACE_SECONDS": "10",
            "SHUTDOWN_DRAIN_DELAY_SECONDS": try #require(environment["SHUTDOWN_DRAIN_DELAY_SECONDS"]?.string),
        ]
        let ports = try (0..<3).map { _ in try FreePort.next() }
        var servers: [ServerProcess] = []
        for port in ports { servers.append(try await Self.start(port, settings)) }
        let port = try FreePort.next()
        let proxy = try await Self.startProxy(port: port, backends: ports)

        // GET and POST, which nothing may send twice once a byte of it was sent.
        let reads = SteadyLoad.start(port: port, target: "/_drill/sleep?ms=10", perSecond: 100, connections: 8)
        let writes = Task {
            var statuses: [Int: Int] = [:]
            while !Task.isCancelled {
                let status = try await RawClient.exchange(port: port, "POST", "/_drill/transaction?value=a").status
                statuses[status, default: 0] += 1
                try? await Task.sleep(for: .milliseconds(20))
            }
            return statuses
        }
        for (index, own) in ports.enumerated() {
            servers[index].send(SIGTERM)
            #expect(try await servers[index].waitForExit() == .code(0))
            servers[index] = try await Self.start(own, settings)
            let before = Self.served(by: index, proxy)
            try await eventually("HAProxy uses the replica again") { Self.served(by: index, proxy) > before + 5 }
        }
        let outcome = try await reads.stop()
        writes.cancel()
        let written = try await writes.value
        #expect(outcome.failures() == [], "\(outcome)\n\(proxy.outputText.suffix(4000))")
        #expect(outcome.statuses[200, default: 0] > 100, "\(outcome)")
        #expect(written.keys.allSatisfy { $0 < 300 }, "\(written)\n\(proxy.outputText.suffix(4000))")
        #expect(written.values.reduce(0, +) > 50)
    }

    private static func start(_ port: Int, _ settings: [String: String]) async throws -> ServerProcess {
        let folder = try makeFolder("server-\(port)")
        let server = try startServer(settings.merging(["PORT": "\(port)"]) { $1 }, in: folder)
        try await server.waitUntilReady()
        return server
    }

    /// How many requests HAProxy has logged for a replica.
    private static func served(by index: Int, _ proxy: ChildProcess) -> Int {
        proxy.outputText.split(separator: "\n").count { $0.contains(" servers/replica\(index + 1) ") }
    }

    /// HAProxy with the file as it is, but for ports, and addresses in the place of names.
    private static func startProxy(port: Int, backends: [Int]) async throws -> ChildProcess {
        var text = try Project.text("deploy/compose/haproxy.cfg")
        let template = "    server-template replica 10 medbuilder:5000 resolvers docker init-addr none\n"
        for (old, new) in [
            ("bind :8080\n", "bind 127.0.0.1:\(port)\n"), ("bind :8405\n", "bind 127.0.0.1:\(try FreePort.next())\n"),
            (template, backends.enumerated().map { "    server replica\($0 + 1) 127.0.0.1:\($1)\n" }.joined()),
        ] {
            try #require(text.contains(old))
            text = text.replacing(old, with: new)
        }
        let folder = try makeFolder("haproxy")
        let file = folder.appending(path: "haproxy.cfg")
        try Data(text.utf8).write(to: file)
        let proxy = try ChildProcess(
            "haproxy", ["-db", "-f", file.path], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], folder: folder)
        try #require(EndToEnd.current).add(proxy)
        try await eventually("HAProxy has found its replicas") {
            guard !proxy.hasEnded else { throw HarnessError(.exited, proxy.errorText) }
            do {
                return try await RawClient.exchange(port: port, "GET", "/live").status == 200
            } catch let error as HarnessError where error.code == .refused {
                return false
            }
        }
        return proxy
    }

    /// The services of the file, as Compose would start them.
    private static func services(
        environment: String? = nil, profiles: [String] = [], changed: (String) -> String = { $0 }
    ) async throws -> [String: DocumentValue] {
        let folder = try makeFolder("compose-\(UUID().uuidString)")
        let example = try Project.text("deploy/compose/.env.example")
        let key = Data((0..<32).map { UInt8($0) * 7 }).base64EncodedString()
        let filled = example.replacing("POSTGRES_PASSWORD=\n", with: "POSTGRES_PASSWORD=secret\n")
            .replacing("PHI_ENCRYPTION_KEY=\n", with: "PHI_ENCRYPTION_KEY=\(key)\n")
        try Data((environment ?? filled).utf8).write(to: folder.appending(path: "env"))
        let text = try Project.text("deploy/compose/compose.yaml")
        let file = folder.appending(path: "compose.yaml")
        try Data(changed(text).utf8).write(to: file)
        let arguments = [file.path, folder.appending(path: "env").path] + profiles
        let answer = try await askReferee("compose", arguments)
        let document = try JSONDecoder().decode(DocumentValue.self, from: Data(answer.utf8))
        return try #require(document["services"]?.object)
    }
}
