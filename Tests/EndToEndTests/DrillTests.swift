// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import FoundationXML
import MedTesting
import Testing

@testable import MedDrill

/// The drill in its short form: the real command, real replicas, a real proxy and a real database.
@Suite(.endToEnd, .serialized) struct DrillTests {
    private func drill(
        _ arguments: [String], database: PostgresServer? = nil, environment: [String: String] = [:]
    ) async throws -> ServerProcess {
        var own = ["PHI_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
        if let database { own["DATABASE_URL"] = database.url("postgres") }
        let process = try ServerProcess(
            in: makeFolder("drill"), ["drill"] + arguments, environment: own.merging(environment) { $1 })
        try #require(EndToEnd.current).add(process.process)
        return process
    }

    // Behind nginx it is in `make drill` alone: where all other tests run as well, nginx is late to close its idle connections.
    @Test(.alone, arguments: [("haproxy", 500), ("direct", 100)])
    func `no request fails in a rolling update, and no acknowledged write is missing`(proxy: String, rate: Int)
        async throws
    {
        let database = try await startPostgres(["max_connections": "100"])
        let picture = try testFolder().appending(path: "drill.svg")
        let process = try await self.drill(
            [
                "--proxy", proxy, "--updates", "1", "--rate", "\(rate)", "--drain-delay", "2", "--picture",
                picture.path,
            ],
            database: database)
        let exit = try await process.waitForExit()
        let table = process.process.outputText
        #expect(exit == .code(0), "\(table)\n\(process.process.errorText)")
        #expect(table.contains("Processes ended: 3 × exit 0."), "\(table)")
        #expect(table.contains("Rolling updates: 1, with 0 failed requests."), "\(table)")
        let writes = try #require(table.firstMatch(of: /Writes: ([0-9]+) acknowledged, 0 of them missing/))
        #expect(try #require(Int(writes.1)) >= rate * 6 / 10)
        #expect(XMLParser(data: try Data(contentsOf: picture)).parse())
        // The database has them: it is the drill that was asked so far.
        let rows = try await database.query("SELECT count(*) FROM drill_rows WHERE value !~ 'seed'")
        #expect(try #require(Int(rows)) >= #require(Int(writes.1)))
    }

    @Test(arguments: [true, false])
    func `behind nginx a write goes to another server if it was refused, and not after any other 503`(isRefused: Bool)
        async throws
    {
        let header = isRefused ? "X-Request-Refused: shutting_down" : "Retry-After: 1"
        let servers = try (0..<2).map { _ in try RecordingCollector(header: header) { _ in 503 } }
        defer { for server in servers { server.stop() } }
        let port = try FreePort.next()
        let folder = try makeFolder("nginx")
        let file = folder.appending(path: "nginx.conf")
        try Data(DrillProxy.nginx(port: port, backends: servers.map(\.port)).utf8).write(to: file)
        let proxy = try ChildProcess(
            "nginx", ["-p", folder.path, "-c", file.path, "-e", "errors.log"],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], folder: folder)
        try #require(EndToEnd.current).add(proxy)
        try await eventually("nginx answers") {
            guard !proxy.hasEnded else { throw HarnessError(.exited, proxy.errorText) }
            // Without a request: a server that answers 503 to one that may run twice is left alone for a second.
            return (try? await RawClient.connect(port: port)) != nil
        }
        let client = try await RawClient.connect(port: port)
        try await client.request("POST", "/_drill/transaction?value=a", body: "row")
        let answer = try await client.response()
        #expect(answer.status == 503)
        #expect(answer["Retry-After"] == (isRefused ? nil : "1"))
        let written = servers.flatMap(\.deliveries).filter { $0.path.hasPrefix("/_drill/transaction") }
        #expect(written.count == (isRefused ? 4 : 1))
        #expect(written.allSatisfy { $0.body == Array("row".utf8) })
    }

    @Test(.alone)
    func `a replica that is killed, one that traps and a restart of the database cost what the table says`()
        async throws
    {
        let database = try await startPostgres(["max_connections": "100"])
        // The drill waits for the command, and whoever restarts the server waits for the file.
        let wish = try testFolder().appending(path: "restart")
        let restarting = Task {
            while !FileManager.default.fileExists(atPath: wish.path) { try await Task.sleep(for: .milliseconds(20)) }
            try await database.stop()
            try await database.start()
            try FileManager.default.removeItem(at: wish)
        }
        let process = try await self.drill(
            [
                "--updates", "0", "--rate", "200", "--drain-delay", "0", "--faults", "kill", "trap", "database", "pool",
                "--restart-database", "touch '\(wish.path)'; while [ -e '\(wish.path)' ]; do sleep 0.02; done",
            ],
            database: database)
        let exit = try await process.waitForExit()
        let table = process.process.outputText
        #expect(exit == .code(0), "\(table)\n\(process.process.errorText)")
        for title in ["kill -9 of a replica", "trap in a replica", "database restart", "full pool of a replica"] {
            #expect(table.contains(title), "\(table)")
        }
        #expect(table.contains("Processes ended: 1 × exit 70, 1 × signal 9."), "\(table)")
        let writes = try #require(table.firstMatch(of: /Writes: ([0-9]+) acknowledged, 0 of them missing/), "\(table)")
        #expect(try #require(Int(writes.1)) > 200)
        // Requests wait for a connection of a full pool. A trap costs some here, where no drain delay lets HAProxy learn of it.
        let line = try #require(table.split(separator: "\n").first { $0.hasPrefix("full pool of a replica") })
        #expect(line.split(separator: " ").dropFirst(8).first == "0", "\(table)")
        try await restarting.value
    }

    @Test(arguments: [
        // The command that is to restart the database kills a replica, whose parent is the drill, as its own is.
        (
            "for p in $(cat /proc/$PPID/task/*/children); do "
                + "[ \"$(cat /proc/$p/comm)\" = medbuilder ] && kill -9 $p && break; done; sleep 1",
            "ended by itself with signal 9."
        ),
        ("exit 3", "Aborted: The command that restarts the database failed"),
    ])
    func `what goes wrong in the middle is told below the table, and is no success`(
        command: String, words: String
    ) async throws {
        let database = try await startPostgres(["max_connections": "100"])
        let process = try await self.drill(
            [
                "--proxy", "direct", "--updates", "0", "--rate", "100", "--drain-delay", "0", "--faults", "database",
                "--restart-database", command,
            ],
            database: database)
        #expect(try await process.waitForExit() == .code(1))
        let table = process.process.outputText
        #expect(table.contains("database restart"), "\(table)")
        #expect(table.contains(", 0 of them missing, "), "\(table)")
        #expect(table.contains(words), "\(table)")
        #expect(process.process.errorText.contains("The logs are in "))
        // The replicas keep to folders of their own.
        #expect(!FileManager.default.fileExists(atPath: try makeFolder("drill").appending(path: ".medbuilder").path))
    }

    @Test func `a drill that cannot be done says why, and leaves production alone`() async throws {
        let database = try await startPostgres()
        var mistakes: [(arguments: [String], environment: [String: String], code: Int32, words: String)] = [
            ([], ["DATABASE_URL": "sqlite:drill.sqlite"], 78, "DATABASE_URL must name a PostgreSQL database"),
            (
                [], ["APP_ENV": "production", "DATABASE_URL": database.url("postgres")], 78,
                "production, whose database is not for drills"
            ),
            // It may be production's, though this shell is not.
            (
                [], ["DATABASE_URL": "postgres://app@db.example/app?sslmode=verify-full"], 78,
                "DATABASE_URL names another machine"
            ),
            // What the replicas would refuse.
            ([], ["PHI_ENCRYPTION_KEY": "", "DATABASE_URL": database.url("postgres")], 78, "phi.encryptionKey"),
            (["--scrape-targets", "/nonexistent/targets.json"], [:], 64, "--scrape-targets names a file that cannot"),
            (["--faults", "database"], [:], 64, "needs --restart-database"),
            (["--faults", "flood"], [:], 64, "kill, trap, stall, database, pool"),
            (["--rate", "0"], [:], 64, "from 1 to 50000"),
            (["--picture", "/nonexistent/drill.svg"], [:], 64, "cannot be written"),
            (["--updates=-1"], [:], 64, "from 0 to 100"),
        ]
        // A pipe would wait for somebody to read it, and a device would be replaced.
        let pipe = try testFolder().appending(path: "pipe").path
        try #require(mkfifo(pipe, 0o600) == 0)
        for option in ["--picture", "--scrape-targets"] {
            for path in [pipe, "/dev/null", "/tmp"] {
                mistakes.append(([option, path], [:], 64, "\(option) names a file that cannot be written"))
            }
        }
        // Nothing is made of what is refused for another reason.
        let picture = try testFolder().appending(path: "none.svg").path
        mistakes.append((["--picture", picture, "--faults", "database"], [:], 64, "needs --restart-database"))
        for (arguments, environment, code, words) in mistakes {
            let process = try await self.drill(arguments, environment: environment)
            let exit = try await process.waitForExit()
            #expect(exit == .code(code), "\(arguments): \(process.process.errorText)")
            #expect(process.process.errorText.contains(words), "\(arguments): \(process.process.errorText)")
        }
        #expect(!FileManager.default.fileExists(atPath: picture))
        let tables = try await database.query("SELECT count(*) FROM pg_tables WHERE tablename = 'drill_rows'")
        #expect(tables == "0")
    }
}
