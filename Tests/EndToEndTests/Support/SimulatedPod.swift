// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// The real binary in the hands of a simulated kubelet, with every duration divided by one factor.
///
/// What a container has for itself is mapped: its ports to free ones, its state folder to one below the test's.
actor SimulatedPod {
    /// By what the durations of the manifest, of the program's settings and of kubelet are divided.
    static let factor = 4
    /// A look that comes later than this counts as one after so long: then the simulator did not get to run, nor perhaps the process.
    private static let longestPause = Duration.milliseconds(50)

    nonisolated let name: String
    private let environment: [String: String]
    private let arguments: [String]
    private let ports: [String: Int]
    private let folder: URL
    private var kubelet: Kubelet
    private var now = Duration.zero
    private var server: ServerProcess?
    /// The process of each container, in order.
    private(set) var servers: [ServerProcess] = []

    /// - Parameters:
    ///   - environment: Of the container, with durations that are not divided yet.
    ///   - defaults: The values of all settings that are not in the environment, by variable.
    init(_ name: String, _ template: PodTemplate, environment: [String: String], defaults: [String: String]) throws {
        self.name = name
        self.arguments = template.arguments
        self.kubelet = Kubelet(plan: try template.plan().divided(by: Self.factor))
        self.folder = try makeFolder(name)
        let ports = try template.ports.mapValues { _ in try FreePort.next() }
        self.ports = ports
        let durations = defaults.merging(environment) { $1 }.filter { $0.key.hasSuffix("_SECONDS") }
        var mapped = environment.merging(
            durations.compactMapValues { Double($0).map { String($0 / Double(Self.factor)) } }
        ) { $1 }
        mapped["PORT"] = ports["http"].map { "\($0)" }
        mapped["MANAGEMENT_PORT"] = ports["management"].map { "\($0)" }
        mapped["MEDBUILDER_STATE_DIR"] = self.folder.appending(path: "state").path
        self.environment = mapped
    }

    /// Is kubelet until the pod is gone, or the task is cancelled.
    func run() async throws {
        defer { self.server?.send(SIGKILL) }
        try await withThrowingDiscardingTaskGroup { group in
            var last = ContinuousClock.now
            while !self.kubelet.isGone {
                let moment = ContinuousClock.now
                self.now += min(moment - last, Self.longestPause)
                last = moment
                if let server, server.process.hasEnded {
                    self.server = nil
                    self.kubelet.exited(at: self.now)
                }
                for action in self.kubelet.advance(to: self.now) {
                    switch action {
                    case .start: try self.start()
                    case .terminate: self.server?.send(SIGTERM)
                    case .kill: self.server?.send(SIGKILL)
                    case .probe(let kind):
                        let number = self.kubelet.number
                        group.addTask { await self.probe(kind, of: number) }
                    }
                }
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    private func start() throws {
        let server = try startServer(self.environment, arguments: self.arguments, in: self.folder)
        self.server = server
        self.servers.append(server)
    }

    private func probe(_ kind: ContainerPlan.ProbeKind, of number: Int) async {
        guard let probe = self.kubelet.plan.probes[kind], let port = self.ports[probe.port] else { return }
        let succeeds = await ProbeRequest(port: port, path: probe.path, timeout: probe.timeout).succeeds()
        self.kubelet.answered(kind, of: number, success: succeeds, at: self.now)
    }

    /// Deletes it, as a rolling update does.
    func delete() { self.kubelet.delete(at: self.now) }

    // MARK: What can be seen, in seconds that are not divided

    var isReady: Bool { self.kubelet.isReady }
    var isGone: Bool { self.kubelet.isGone }
    var restarts: Int { self.kubelet.restarts }
    var port: Int? { self.ports["http"] }

    /// The time since the pod was there.
    var seconds: Double { Self.seconds(self.now) }

    /// Everything that happened.
    var events: [(at: Double, event: Kubelet.Event)] { self.kubelet.events.map { (Self.seconds($0.at), $0.event) } }

    /// When something happened, from a moment on.
    func moment(of event: Kubelet.Event, after start: Double = 0) -> Double? {
        self.events.first { $0.event == event && $0.at >= start }?.at
    }

    func count(of event: Kubelet.Event) -> Int { self.events.count { $0.event == event } }

    /// Waits until so much time has passed since then.
    func wait(_ seconds: Double, since start: Double) async throws {
        try await eventually("\(seconds) s have passed") { self.seconds >= start + seconds }
    }

    /// Waits until something has happened, and tells when.
    @discardableResult
    func wait(for event: Kubelet.Event, after start: Double = 0) async throws -> Double {
        try await eventually("\(self.name): \(event)") { self.moment(of: event, after: start) != nil }
        let moment = self.moment(of: event, after: start)
        return try #require(moment)
    }

    private static func seconds(_ duration: Duration) -> Double { duration / .seconds(1) * Double(Self.factor) }
}

/// A database, its schema, and pods that use it, all as the manifests say.
struct SimulatedCluster {
    /// The key of a test.
    static let key = Data((1...32).map { UInt8($0 * 7) }).base64EncodedString()

    let manifest: Manifest
    let database: PostgresServer
    private let secrets: [String: String]
    private let defaults: [String: String]

    /// Starts a database and runs the migration.
    init(_ kustomization: Manifest.Kustomization) async throws {
        self.manifest = try await Manifest(kustomization)
        self.database = try await startPostgres()
        self.secrets = ["database-url": self.database.url("postgres"), "phi-encryption-key": Self.key]
        self.defaults = try await programDefaults()
        let migration = try self.manifest.pod(Manifest.migration)
        let command = try startServer(
            migration.environment(name: "medbuilder-migrate-1", secrets: self.secrets), arguments: migration.arguments)
        try #require(try await command.waitForExit() == .code(0), "\(command.tail)")
    }

    /// Has kubelet run pods of the Deployment while `body` looks.
    ///
    /// - Parameter settings: Variables besides those of the manifest; durations among them are divided, too.
    func withPods(
        _ count: Int = 1, _ settings: [String: String] = [:], _ body: ([SimulatedPod]) async throws -> Void
    ) async throws {
        let template = try self.manifest.pod(Manifest.deployment)
        let pods = try (1...count).map { number in
            let name = "medbuilder-\(number)"
            let environment = try template.environment(name: name, secrets: self.secrets).merging(settings) { $1 }
            return try SimulatedPod(name, template, environment: environment, defaults: self.defaults)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for pod in pods { group.addTask { try await pod.run() } }
            try await body(pods)
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
        }
    }
}

/// The defaults of all settings, by their variables, as `medbuilder config` shows them.
func programDefaults() async throws -> [String: String] {
    let shown = try await run("config")
    try #require(shown.exit == .code(0), "\(shown)")
    let lines = shown.output.split(separator: "\n").map(Array.init)
    let head = try #require(lines.first)
    func column(_ title: String) throws -> Int {
        head.count
            - String(head).distance(
                from: try #require(String(head).firstRange(of: title)).lowerBound, to: String(head).endIndex)
    }
    let (name, value) = (try column("ENVIRONMENT"), try column("VALUE"))
    let (fallback, meaning) = (try column("DEFAULT"), try column("MEANING"))
    func cell(_ line: [Character], _ range: Range<Int>) -> String {
        String(line[range]).trimmingCharacters(in: .whitespaces)
    }
    return Dictionary(
        lines.dropFirst().map { (cell($0, name..<value), cell($0, fallback..<meaning)) },
        uniquingKeysWith: { first, _ in first })
}
