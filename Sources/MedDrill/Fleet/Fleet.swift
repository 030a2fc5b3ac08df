// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// The replicas of a drill: processes on ports of their own, one of which is free for the next.
///
/// What Kubernetes does with a Deployment is done here in the small: a new replica is ready before an old one is told to stop, and one
/// that no longer answers `/live` is replaced.
actor Fleet {
    /// How often `/ready` of each replica is asked for, for the picture and for clients that choose a replica themselves.
    private static let interval = Duration.milliseconds(100)
    /// When a replica that is to be ready is given up.
    private static let startLimit = Duration.seconds(60)
    /// As `periodSeconds`, `timeoutSeconds` and `failureThreshold` of a liveness probe.
    private static let (livenessPeriod, livenessTimeout, livenessThreshold) = (
        Duration.seconds(3), Duration.seconds(3), 3
    )
    /// As `terminationGracePeriodSeconds`.
    private static let terminationGrace = Duration.seconds(35)
    /// `DATABASE_POOL_SIZE` of the replicas; their default.
    private static let poolSize = 6

    /// A port for each replica, and one more, for the next.
    nonisolated let ports: [Int]

    private let program: String
    private let environment: [String: String]
    private let folder: URL
    private let client = HTTPClient(eventLoopGroupProvider: .singleton)
    private var processes: [DrillProcess?]
    private var states: [DrillEvent.State]
    private var started = 0
    private var start = ContinuousClock.now
    private(set) var events: [DrillEvent] = []
    private var watching: [Task<Void, Never>] = []
    private var announcement: (@Sendable ([Int]) -> Void)?
    private var others: [DrillProcess] = []

    init(count: Int, program: String, environment: [String: String], folder: URL) throws {
        self.program = program
        self.environment = environment
        self.folder = folder
        self.ports = try FreePorts.find(count + 1)
        self.processes = Array(repeating: nil, count: count + 1)
        self.states = Array(repeating: .gone, count: count + 1)
    }

    /// The ports of those that are ready.
    var readyPorts: [Int] { self.ports.indices.filter { self.states[$0] == .ready }.map { self.ports[$0] } }

    /// Has somebody hear of the ports of those that are ready, whenever they change.
    func announce(_ announcement: @escaping @Sendable ([Int]) -> Void) { self.announcement = announcement }

    /// Begins to note how each replica is.
    func watch(since start: ContinuousClock.Instant) {
        self.start = start
        for slot in self.ports.indices {
            self.events.append(DrillEvent(time: 0, slot: slot, state: self.states[slot]))
            self.watching.append(
                Task {
                    while !Task.isCancelled {
                        await self.look(slot)
                        try? await Task.sleep(for: Self.interval)
                    }
                })
        }
    }

    /// Ends with the drill what is no replica.
    func adopt(_ process: DrillProcess) { self.others.append(process) }

    /// Ends everything.
    func end() async {
        for task in self.watching { task.cancel() }
        for process in self.processes.compactMap(\.self) + self.others {
            process.send(SIGKILL)
            _ = try? await process.end()
        }
        try? await self.client.shutdown()
    }

    // MARK: - Replicas

    /// Starts a replica, and waits until it is ready.
    func start(_ slot: Int) async throws {
        self.started += 1
        let name = "replica-\(self.started)"
        let state = self.folder.appending(path: name)
        let environment = self.environment.merging([
            "PORT": "\(self.ports[slot])", "STATE_DIRECTORY": state.path,
            "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=\(name)",
        ]) { $1 }
        let process = try await DrillProcess.start(
            self.program, ["serve"], environment: environment, folder: self.folder, log: "\(name).log")
        self.processes[slot] = process
        self.note(slot, .silent)
        try await self.wait("\(name) to be ready", process) { await self.look(slot) == .ready }
    }

    /// Replaces every replica: start new, wait until it is ready, stop old.
    func update() async throws {
        for old in self.ports.indices.filter({ self.processes[$0] != nil }) {
            guard let free = self.processes.firstIndex(where: { $0 == nil }) else {
                throw DrillError("There is no place for another replica.")
            }
            try await self.start(free)
            self.signal(old, SIGTERM)
            try await self.waitForExit(old)
        }
    }

    func signal(_ slot: Int, _ signal: Int32) { self.processes[slot]?.send(signal) }

    /// Waits until the process in that place has ended, which makes the place free.
    func waitForExit(_ slot: Int) async throws {
        guard let process = self.processes[slot] else { return }
        let ending = try await process.end()
        self.processes[slot] = nil
        self.note(slot, .gone, exit: ending)
    }

    /// A replica that is ready.
    func firstReady() throws -> Int {
        guard let slot = self.states.firstIndex(of: .ready) else { throw DrillError("No replica is ready.") }
        return slot
    }

    /// Waits until every replica that there is is ready.
    func waitUntilAllAreReady() async throws {
        for (slot, process) in self.processes.enumerated() {
            guard let process else { continue }
            try await self.wait("a replica to be ready again", process) { await self.look(slot) == .ready }
        }
    }

    /// Does what kubelet does with a replica whose `/live` fails: tells it to stop, kills it after the grace, and starts another one.
    func replaceWhenDead(_ slot: Int) async throws {
        var failures = 0
        while failures < Self.livenessThreshold {
            try await Task.sleep(for: Self.livenessPeriod)
            let isAlive = (try? await self.ask(slot, "/live", limit: Self.livenessTimeout)) == 200
            failures = isAlive ? 0 : failures + 1
        }
        self.signal(slot, SIGTERM)
        let process = self.processes[slot]
        let killing = Task {
            try await Task.sleep(for: Self.terminationGrace)
            process?.send(SIGKILL)
        }
        try await self.waitForExit(slot)
        killing.cancel()
        try await self.start(slot)
    }

    /// Holds every connection of a replica's pool for so long.
    func fillPool(_ slot: Int, for time: Duration) async throws {
        let path = "/_drill/transaction?value=held&ms=\(Int(time / .milliseconds(1)))"
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.poolSize {
                group.addTask { _ = try? await self.ask(slot, path, method: .POST, limit: time + .seconds(20)) }
            }
        }
    }

    /// The status of an answer.
    @discardableResult
    func ask(_ slot: Int, _ path: String, method: HTTPMethod = .GET, limit: Duration) async throws -> UInt {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(self.ports[slot])\(path)")
        request.method = method
        request.headers.add(name: "Connection", value: "close")
        return try await self.client.execute(request, timeout: TimeAmount(limit)).status.code
    }

    // MARK: - Watching

    @discardableResult
    private func look(_ slot: Int) async -> DrillEvent.State {
        guard let process = self.processes[slot] else { return .gone }
        let status = try? await self.ask(slot, "/ready", limit: .seconds(1))
        // Somebody else may have noted its end meanwhile.
        guard self.processes[slot] === process, !process.isGone else { return self.states[slot] }
        let state: DrillEvent.State = status == 200 ? .ready : status == nil ? .silent : .unready
        self.note(slot, state)
        return state
    }

    private func note(_ slot: Int, _ state: DrillEvent.State, exit: String? = nil) {
        guard self.states[slot] != state else { return }
        self.states[slot] = state
        self.events.append(
            DrillEvent(time: (ContinuousClock.now - self.start) / .seconds(1), slot: slot, state: state, exit: exit))
        self.announcement?(self.readyPorts)
    }

    private func wait(
        _ what: String, _ process: DrillProcess, until isSo: () async -> Bool
    ) async throws {
        let end = ContinuousClock.now + Self.startLimit
        while !(await isSo()) {
            if process.isGone { throw DrillError("Waited for \(what); it has ended: \(try await process.end()).") }
            if ContinuousClock.now > end { throw DrillError("Waited for \(what) in vain.") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
