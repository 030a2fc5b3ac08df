// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// Two instances behind a proxy, as in production: what a restart looks like from outside.
@Suite(.endToEnd) struct ProxyTests {
    /// A proxy, and how the servers behind it stop.
    struct Setup: Sendable {
        var kind: ReverseProxy.Kind
        var retries: Bool
        var drainDelay: String
    }

    @Test(arguments: [
        // Each of these finds out by a request that fails, and sends it to the other one.
        Setup(kind: .nginx, retries: true, drainDelay: "0"), Setup(kind: .haproxy, retries: true, drainDelay: "0"),
        // This one has only `/ready` to go by. The delay ends by itself, soon after it has.
        Setup(kind: .haproxy, retries: false, drainDelay: "20"),
    ])
    func `no request fails while its servers are restarted in turn`(setup: Setup) async throws {
        let ports = try [FreePort.next(), FreePort.next()]
        let environment = [
            "SHUTDOWN_DRAIN_DELAY_SECONDS": setup.drainDelay, "SHUTDOWN_GRACE_SECONDS": "10",
            "SHUTDOWN_DEADLINE_SECONDS": "60",
        ]
        var servers: [ServerProcess] = []
        for port in ports { servers.append(try await self.start(port, environment)) }
        let proxy = try await startProxy(setup.kind, backends: ports, retries: setup.retries)
        let load = SteadyLoad.start(port: proxy.port, target: "/_drill/sleep?ms=10", perSecond: 200, connections: 8)
        for port in ports { try await self.waitForRequests(to: port, through: proxy) }

        for _ in 1...2 {
            for (index, port) in ports.enumerated() {
                servers[index].send(SIGTERM)
                #expect(try await servers[index].waitForExit() == .code(0))
                servers[index] = try await self.start(port, environment)
                try await self.waitForRequests(to: port, through: proxy)
            }
        }
        let outcome = try await load.stop()
        #expect(outcome.failures() == [], "\(outcome)\n\(proxy.log.suffix(4000))")
        #expect(outcome.statuses[200, default: 0] > 200, "\(outcome)")
    }

    @Test(arguments: ReverseProxy.Kind.allCases)
    func `h2load sees no failure while the servers behind a proxy are restarted in turn`(kind: ReverseProxy.Kind)
        async throws
    {
        let ports = try [FreePort.next(), FreePort.next()]
        let environment = ["SHUTDOWN_GRACE_SECONDS": "10", "SHUTDOWN_DEADLINE_SECONDS": "60"]
        var servers: [ServerProcess] = []
        for port in ports { servers.append(try await self.start(port, environment)) }
        let proxy = try await startProxy(kind, backends: ports, http2: true)
        // Round after round, until it has seen all restarts; it is not in a hurry.
        let script = """
            until test -e "$1"; do
                setpriv --pdeathsig KILL h2load -n 300 -c 4 -m 8 --rps 50 "$2" || exit 1
            done
            """
        let stop = try testFolder().appending(path: "stop")
        let load = try ChildProcess(
            "sh",
            ["-c", script, "sh", stop.path, "http://127.0.0.1:\(proxy.port)/_drill/sleep?ms=10"],
            environment: ["PATH": "/usr/bin:/bin"],
            folder: testFolder()
        )
        try #require(EndToEnd.current).add(load)
        for (index, port) in ports.enumerated() {
            try await self.waitForRequests(to: port, through: proxy)
            servers[index].send(SIGTERM)
            #expect(try await servers[index].waitForExit() == .code(0))
            servers[index] = try await self.start(port, environment)
            try await self.waitForRequests(to: port, through: proxy)
        }
        #expect(!load.hasEnded)
        try Data().write(to: stop)
        #expect(try await load.waitForExit() == .code(0))
        try await load.waitForOutput()
        let rounds = load.outputText.split(separator: "\n").filter { $0.hasPrefix("requests: ") }
        #expect(!rounds.isEmpty)
        for round in rounds {
            #expect(
                round.contains("300 done, 300 succeeded, 0 failed, 0 errored, 0 timeout"),
                "\(load.outputText.suffix(8000))\n\(proxy.log.suffix(4000))")
        }
    }

    private func start(_ port: Int, _ environment: [String: String]) async throws -> ServerProcess {
        let folder = try makeFolder("server-\(port)")
        let own = ["PORT": "\(port)", "DRILL_ROUTES": "on"]
        let server = try startServer(own.merging(environment) { $1 }, in: folder)
        try await server.waitUntilReady()
        return server
    }

    /// Waits until the proxy sends requests to this server (again).
    private func waitForRequests(to port: Int, through proxy: ReverseProxy) async throws {
        let before = proxy.served(by: port)
        try await eventually("the proxy uses the server on port \(port)") { proxy.served(by: port) > before + 5 }
    }
}
