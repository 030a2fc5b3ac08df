// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The real binary with exactly what the manifest gives it: its variables, its ports, its state folder.
@Suite(.endToEnd, .enabled("A network of its own needs root and CAP_SYS_ADMIN.", canMount))
struct KubernetesEnvironmentTests {
    /// What is a pod's own: a network, and a root file system that has the folders of this machine and the state folder.
    private static let sandbox = [
        "unshare", "--net", "--mount", "sh", "-ec",
        """
        ip link set lo up
        mount -t tmpfs tmpfs /mnt
        for path in /*; do
            [ "$path" = /mnt ] && continue
            if [ -L "$path" ]; then cp -P "$path" /mnt/; continue; fi
            if [ -d "$path" ]; then mkdir "/mnt$path"; mount --rbind "$path" "/mnt$path"; fi
        done
        mkdir "/mnt$1"
        shift
        exec /usr/sbin/chroot /mnt "$@"
        """, "sh",
    ]

    private func start(
        _ template: PodTemplate, _ database: PostgresServer, state: String = "/state"
    ) throws -> ServerProcess {
        // By a Unix socket: there is nobody else in the network of a pod of this test.
        let secrets = ["database-url": database.socketURL("postgres"), "phi-encryption-key": SimulatedCluster.key]
        let environment = try template.environment(name: "medbuilder-6d5f9c7b8-x2x7q", secrets: secrets)
        // `env -i`, so that there is nothing besides; without it the harness would add a port, a level and a form of its own.
        let pairs = environment.map { "\($0.key)=\($0.value)" }
        return try startServer(
            arguments: template.arguments, launcher: Self.sandbox + [state, "env", "-i"] + pairs)
    }

    /// What curl gets within the network of the server: the status, and then the body.
    private func ask(_ server: ServerProcess, port: Int, _ path: String) async throws -> (status: Int, body: String) {
        let answer = try await runTool(
            "nsenter",
            [
                "--target", "\(server.process.identifier)", "--net", "curl", "-s", "--max-time", "30", "-w",
                "\\n%{http_code}",
                "http://127.0.0.1:\(port)\(path)",
            ])
        let lines = answer.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }

    @Test(arguments: [Manifest.Kustomization.production, .staging, .drill])
    func `the ports that the manifest names answer as its probes want`(kustomization: Manifest.Kustomization)
        async throws
    {
        let manifest = try await Manifest(kustomization)
        let template = try manifest.pod(Manifest.deployment)
        let database = try await startPostgres()

        let server = try self.start(template, database)
        let port = try #require(template.ports["http"])
        let management = try #require(template.ports["management"])
        try await server.record("serving on port \(port)")
        try await server.record("management on port \(management)")
        // Until the migration has run, it lives and is not ready.
        #expect(try await self.ask(server, port: port, "/live").status == 200)
        try await server.record { $0.message == "Health check changed" && $0.field("health.status") == "unhealthy" }
        #expect(try await self.ask(server, port: port, "/ready").status == 503)

        let job = try manifest.pod(Manifest.migration)
        for applied in [" [1-9][0-9]* migrations? (was|were) applied", " 0 migrations were applied"] {
            let migration = try self.start(job, database)
            #expect(try await migration.waitForExit() == .code(0), "\(migration.tail)")
            #expect(try migration.process.outputText.contains(Regex(applied)), "\(migration.tail)")
        }

        for probe in try template.plan().probes.values {
            let port = try #require(template.ports[probe.port])
            try await eventually("\(probe.path) is 200") {
                try await self.ask(server, port: port, probe.path).status == 200
            }
        }
        let health = try await self.ask(server, port: management, "/health")
        #expect(health.status == 200)
        let environment = kustomization == .production ? "production" : "staging"
        #expect(health.body.contains(#""environment":"\#(environment)""#))
        // The routes of the drill are in its overlay alone.
        let drill = try await self.ask(server, port: port, "/_drill/hello")
        #expect(drill.status == (kustomization == .drill ? 200 : 404))
        let path = try await Manifest(.base)["ServiceMonitor/medbuilder", "spec/endpoints/0/path"]?.text
        let metrics = try await self.ask(server, port: management, try #require(path))
        #expect(metrics.body.contains("medbuilder_ready 1\n"))
        for path in ["/health", "/metrics", "/status"] {
            #expect(try await self.ask(server, port: port, path).status == 404)
        }
        // The replica is called what kubectl calls it.
        let names = Set(server.records.map { $0.json?.value(at: "service.node.name")?.string })
        #expect(names == ["medbuilder-6d5f9c7b8-x2x7q"])

        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
    }

    @Test func `all replicas that there can be, and a migration, find a connection each`() async throws {
        let manifest = try await Manifest(.base)
        let most = try #require(manifest["HorizontalPodAutoscaler/medbuilder-hpa", "spec/maxReplicas"]?.number)
        let surge = try #require(manifest[Manifest.deployment, "spec/strategy/rollingUpdate/maxSurge"]?.number)
        // A full pool each, and the connection of the health check; a server with its defaults, and not one connection more.
        let pool = try #require(Int(try await programDefaults()["DATABASE_POOL_SIZE"] ?? ""))
        let database = try await startPostgres()
        #expect(try await database.query("SHOW max_connections") == "\(ManifestRules.databaseConnections)")
        // Not as an administrator, for whom the server keeps some.
        try await database.query("CREATE ROLE app LOGIN PASSWORD 'app'; GRANT CREATE ON SCHEMA public TO app")
        let environment = ["DATABASE_URL": database.url("postgres", user: "app", password: "app")]
        let folder = try testFolder()
        #expect(try await run("migrate", environment: environment, in: folder).exit == .code(0))
        var servers: [ServerProcess] = []
        for number in 0..<(most + surge) {
            servers.append(
                try startServer(
                    environment.merging(["DRILL_ROUTES": "on"]) { $1 }, in: makeFolder("replica-\(number)")))
        }
        for server in servers { try await server.waitUntilReady() }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for server in servers {
                for number in 0..<pool {
                    group.addTask { try await server.post("/_drill/transaction?ms=10000&value=\(number)").status }
                }
            }
            try await eventually("all pools are full") {
                let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                return try await database.query(busy) == "\(servers.count * pool)"
            }
            let migration = try await run("migrate", environment: environment, in: folder)
            #expect(migration.exit == .code(0), "\(migration)")
            for try await status in group { #expect(status == 201) }
        }
        for server in servers { #expect(!server.messages.contains { $0.contains("too many") }) }
    }
}
