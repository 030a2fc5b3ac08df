// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// The log sentences that SPEC §3 fixes.
enum Sentence {
    static let terminate = "SIGTERM received, starting graceful shutdown..."
    static let interrupt = "SIGINT received, starting graceful shutdown..."
    static let exception = "UNCAUGHT_EXCEPTION received, starting graceful shutdown..."
    static let rejection = "UNHANDLED_REJECTION received, starting graceful shutdown..."
    static let closed = "Server closed, cleaning up resources..."
    static let complete = "Graceful shutdown complete"
    static let forced = "Forced shutdown after timeout"

    static let all = [terminate, interrupt, exception, rejection, closed, complete, forced]
}

extension ServerProcess {
    /// The fixed sentences of the shutdown, in the order in which they were logged.
    var sentences: [String] { self.messages.filter(Sentence.all.contains) }

    /// Gives the server time to parse what earlier connections have sent: it accepts in order.
    func settle() async throws {
        for _ in 0..<32 { _ = try await self.get("/live") }
        try await Task.sleep(for: .milliseconds(100))
    }

    /// Connections that have each sent one `GET` which the server is working on.
    func inFlight(_ targets: [String]) async throws -> [RawClient] {
        var clients: [RawClient] = []
        for target in targets {
            let client = try await self.connect()
            try await client.request("GET", target)
            clients.append(client)
        }
        try await self.settle()
        return clients
    }

    /// A connection whose `GET` the server is working on.
    func inFlight(_ target: String) async throws -> RawClient { try await self.inFlight([target])[0] }

    /// Sends SIGTERM and waits until the log says that it was noticed.
    func terminate() async throws {
        self.send(SIGTERM)
        try await self.record(Sentence.terminate)
    }

    /// Sends SIGTERM and waits until new requests are refused; something else has to keep the server up.
    func terminateIntoGrace() async throws {
        try await self.terminate()
        try await eventually("the grace has begun") { try await self.get("/_drill/rows").status == 503 }
    }

    /// Sends SIGTERM, has `body` look at the grace for as long as that takes, and then lets the server exit.
    ///
    /// A request of an hour holds the grace open, which has to be as long: ``longGrace``.
    func whileInGrace(_ body: () async throws -> Void) async throws {
        let keeper = try await self.inFlight(Self.anHour)
        try await self.terminateIntoGrace()
        try await body()
        // It cancels the request, and nothing is in flight any more.
        keeper.resetAtEnd()
    }

    /// A request that keeps the server up for longer than any test takes, unless its connection is reset.
    static let anHour = "/_drill/sleep?ms=3600000"

    /// The settings of a grace that does not end by itself.
    static let longGrace = ["SHUTDOWN_GRACE_SECONDS": "3000", "SHUTDOWN_DEADLINE_SECONDS": "3600"]

    /// The settings of a drain delay that does not end by itself: ``endDrainDelay()`` does that.
    static let longDrain = ["SHUTDOWN_DRAIN_DELAY_SECONDS": "3000", "SHUTDOWN_DEADLINE_SECONDS": "3600"]

    /// Ends the drain delay early: a prober has seen enough then, and a second later, if nobody else comes, it is over.
    func endDrainDelay() async throws {
        for _ in 0..<3 { #expect(try await self.get("/ready").status == 503) }
    }
}

/// The running test's own folder.
func testFolder() throws -> URL { try #require(EndToEnd.current?.folder) }

/// Starts one of the Python programs in `Tools`, which ends with the test.
func startPythonTool(_ name: String, _ arguments: [String]) throws -> ChildProcess {
    let tools = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
        path: "Tools")
    let tool = try ChildProcess(
        "/usr/bin/python3",
        [tools.appending(path: name).path] + arguments,
        environment: ["PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"],
        folder: testFolder()
    )
    try #require(EndToEnd.current).add(tool)
    return tool
}

/// A new folder below the running test's own.
func makeFolder(_ name: String) throws -> URL {
    let folder = try testFolder().appending(path: name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}

/// Starts the server; it may not listen yet.
func startServer(
    _ environment: [String: String] = [:],
    arguments: [String] = ["serve"],
    in folder: URL? = nil,
    launcher: [String] = [],
    readsOutput: Bool = true
) throws -> ServerProcess {
    // Thousands of requests a second are as many lines, which the harness would read beside its load.
    let environment = ["LOG_LEVEL": "info,medbuilder.access=warning"].merging(environment) { $1 }
    let server = try ServerProcess(
        in: folder ?? testFolder(), arguments, environment: environment, launcher: launcher, readsOutput: readsOutput
    )
    try #require(EndToEnd.current).add(server)
    return server
}

/// Starts the server and waits until `/ready` is 200.
func readyServer(
    _ environment: [String: String] = [:],
    arguments: [String] = ["serve"],
    in folder: URL? = nil
) async throws -> ServerProcess {
    let server = try startServer(environment, arguments: arguments, in: folder)
    try await server.waitUntilReady()
    return server
}

/// Starts the server with its drill routes, a short grace and what else is given, and waits until `/ready` is 200.
func drillServer(_ environment: [String: String] = [:]) async throws -> ServerProcess {
    try await readyServer(["DRILL_ROUTES": "on"].merging(environment) { $1 })
}

/// How a command ended and what it printed.
struct Finished: Equatable {
    let exit: ChildProcess.Exit
    let output: String
    let errors: String
}

/// Runs the binary to its end.
func run(_ arguments: String..., environment: [String: String] = [:], in folder: URL? = nil) async throws -> Finished {
    let command = try startServer(environment, arguments: arguments, in: folder)
    let exit = try await command.waitForExit()
    return Finished(exit: exit, output: command.process.outputText, errors: command.process.errorText)
}

/// Runs a program to its end, whatever end that is.
func finish(
    _ program: String, _ arguments: String..., environment: [String: String] = [:], in folder: URL? = nil
) async throws -> Finished {
    let base = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    let process = try ChildProcess(
        program, arguments, environment: base.merging(environment) { $1 }, folder: folder ?? testFolder())
    try #require(EndToEnd.current).add(process)
    let exit = try await process.waitForExit()
    try await process.waitForOutput()
    return Finished(exit: exit, output: process.outputText, errors: process.errorText)
}

/// Locks a database file, from another process: against everyone else, or only against who writes.
func lock(_ file: URL, writing: Bool = false) async throws -> SQLiteShell {
    let shell = try await writing ? SQLiteShell.lockWriting(file) : SQLiteShell.lock(file)
    try #require(EndToEnd.current).add(shell)
    return shell
}

/// Whether the tests may mount file systems here; where not, those that need one are skipped.
@Sendable func canMount() async -> Bool {
    let folder = FileManager.default.temporaryDirectory.appending(path: "medbuilder-mount-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    return await TemporaryMount.isPermitted(in: folder)
}

/// Mounts an empty file system of that size on a folder of the running test.
func mount(_ name: String, kilobytes: Int) async throws -> TemporaryMount {
    let mount = try await TemporaryMount(at: testFolder().appending(path: name), kilobytes: kilobytes)
    try #require(EndToEnd.current).add(mount)
    return mount
}

/// What `/health` calls the database.
func databaseStatus(_ server: ServerProcess) async throws -> String? {
    try await server.get("/health").json.value(at: "checks.database.status")?.string
}

/// Fills the disk of a database with one row until a write fails, and frees it: the server says so, goes on reading, and recovers.
func expectErrorWhileFull(_ mount: TemporaryMount, _ server: ServerProcess) async throws {
    try mount.fill()
    var acknowledged = 1
    try await eventually("a write fails") {
        let answer = try await server.post("/_drill/transaction?value=during")
        if answer.status == 201 { acknowledged += 1 }
        if answer.status >= 500 { #expect(!answer.text.contains("sqlite"), "\(answer)") }
        return answer.status >= 500
    }
    try await eventually("health says so") { try await databaseStatus(server) == "error" }
    #expect(try await server.get("/ready").status == 503)
    #expect(try await server.get("/live").status == 200)
    // Reading never needed the room.
    #expect(try await server.get("/_drill/rows").text == #"{"rows":\#(acknowledged)}"#)

    try mount.free()
    try await server.waitUntilReady()
    #expect(try await server.post("/_drill/transaction?value=after").status == 201)
    #expect(try await server.get("/_drill/rows").text == #"{"rows":\#(acknowledged + 1)}"#)
}

/// A PostgreSQL server in the running test's folder.
func startPostgres(_ settings: [String: String] = [:]) async throws -> PostgresServer {
    let database = try await PostgresServer(in: testFolder(), settings: settings)
    try #require(EndToEnd.current).add(database)
    return database
}

/// Asks again and again until `condition` holds.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let limit = ContinuousClock.now + .seconds(TestPatience.seconds)
    while true {
        // Known before the question is asked: however late it is, there is a last look.
        let isLast = ContinuousClock.now >= limit
        if try await condition() { return }
        if isLast { throw HarnessError(.nothingCame, "Waited \(Int(TestPatience.seconds)) s until \(what).") }
        try await Task.sleep(for: .milliseconds(50))
    }
}

/// A timestamp of the contract, `2025-10-27T05:34:00.000Z`, as a regular expression.
let timestampPattern = #"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"#

/// Whether the whole of `text` matches `pattern`.
func matches(_ text: String, _ pattern: String) throws -> Bool {
    try Regex(pattern).wholeMatch(in: text) != nil
}

/// Starts a proxy in front of these ports, with its files below the running test's folder.
func startProxy(
    _ kind: ReverseProxy.Kind,
    backends: [Int],
    clientTimeout: Int = 30,
    retries: Bool = true,
    http2: Bool = false
) async throws -> ReverseProxy {
    let folder = try makeFolder(kind.rawValue)
    let proxy = try ReverseProxy(
        kind, in: folder, backends: backends, clientTimeout: clientTimeout, retries: retries, http2: http2)
    try #require(EndToEnd.current).add(proxy.process)
    try await proxy.waitUntilUp()
    return proxy
}

/// A server, and where its probes can be had without TLS.
struct ProbedServer {
    let process: ServerProcess
    let probePort: Int
    /// What it shows clients, if it speaks TLS.
    let certificate: TestCertificate?

    /// A `GET` of a probe.
    func probe(_ target: String) async throws -> RawResponse {
        try await RawClient.exchange(port: self.probePort, "GET", target)
    }
}

/// Starts the server with its drill routes, with TLS or without, and waits until `/ready` is 200.
func startHealthy(
    _ environment: [String: String] = [:],
    tls: Bool,
    in folder: URL? = nil
) async throws -> ProbedServer {
    var environment = ["DRILL_ROUTES": "on"].merging(environment) { $1 }
    var certificate: TestCertificate?
    var probePort: Int?
    if tls {
        let made = try await TestCertificate(in: makeFolder("tls"))
        let port = try FreePort.next()
        (certificate, probePort) = (made, port)
        environment["TLS_CERTIFICATE_FILE"] = made.server.path
        environment["TLS_KEY_FILE"] = made.serverKey.path
        environment["MANAGEMENT_PORT"] = "\(port)"
    }
    let process = try startServer(environment, in: folder)
    let port = try await process.port
    let server = ProbedServer(process: process, probePort: probePort ?? port, certificate: certificate)
    try await eventually("the server is ready") {
        do {
            return try await server.probe("/ready").status == 200
        } catch let error as HarnessError where error.code == .refused {
            return false
        }
    }
    return server
}
