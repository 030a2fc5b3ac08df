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
    /// When a replica must have been found dead that was told to stand still.
    private static let stallLimit = Duration.seconds(120)
    /// As `terminationGracePeriodSeconds`.
    private static let terminationGrace = Duration.seconds(35)
    /// What would have a replica listen elsewhere than where it is asked, or in another way.
    private static let foreign = ["MANAGEMENT_PORT", "TLS_CERTIFICATE_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"]

    /// A process in its place, and what becomes of it.
    private final class Member {
        let name: String
        let process: DrillProcess
        /// Whether somebody wants it to end, and so waits for that.
        var isLeaving = false
        /// Whether it was ready once.
        var wasReady = false

        init(name: String, process: DrillProcess) {
            self.name = name
            self.process = process
        }
    }

    /// A port for each replica, and one more, for the next.
    nonisolated let ports: [Int]

    private let program: String
    private let environment: [String: String]
    private let folder: URL
    private let client = HTTPClient(eventLoopGroupProvider: .singleton)
    private var members: [Member?]
    private var states: [DrillEvent.State]
    private var started = 0
    private var isEnding = false
    private var start = ContinuousClock.now
    private(set) var events: [DrillEvent] = []
    /// What replicas did that nobody wanted: ended by themselves, or otherwise than they were to.
    private(set) var findings: [String] = []
    private var watching: [Task<Void, Never>] = []
    private var announcement: (@Sendable ([Int]) -> Void)?
    private var others: [DrillProcess] = []

    init(count: Int, program: String, environment: [String: String], folder: URL) throws {
        self.program = program
        self.environment = environment.filter { !Self.foreign.contains($0.key) }
        self.folder = folder
        self.ports = try (0...count).map { _ in try FreePort.next() }
        self.members = Array(repeating: nil, count: count + 1)
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
        self.isEnding = true
        for task in self.watching { task.cancel() }
        for member in self.members.compactMap(\.self) { member.isLeaving = true }
        for process in self.members.compactMap(\.?.process) + self.others {
            process.send(SIGKILL)
            _ = try? await process.end()
        }
        try? await self.client.shutdown()
    }

    // MARK: - Replicas

    /// Starts a replica, and waits until it is ready.
    func start(_ slot: Int) async throws {
        if self.isEnding { throw CancellationError() }
        self.started += 1
        let name = "replica-\(self.started)"
        let state = self.folder.appending(path: name)
        let environment = self.environment.merging([
            "HOST": "127.0.0.1", "PORT": "\(self.ports[slot])", "MEDBUILDER_STATE_DIR": state.path,
            "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=\(name)",
        ]) { $1 }
        let process = try await DrillProcess.start(
            self.program, ["serve"], environment: environment, folder: self.folder, log: "\(name).log")
        let member = Member(name: name, process: process)
        self.members[slot] = member
        self.note(slot, .silent)
        Task {
            let ending = (try? await process.end()) ?? "unknown"
            await self.hasEnded(slot, member, ending)
        }
        try await self.wait("\(name) to be ready", process) { await self.look(slot) == .ready }
    }

    /// Replaces every replica: start new, wait until it is ready, stop old.
    func update() async throws {
        for old in self.ports.indices.filter({ self.members[$0] != nil }) {
            guard let free = self.members.firstIndex(where: { $0 == nil }) else {
                throw DrillError("There is no place for another replica.")
            }
            try await self.start(free)
            try await self.end(old, by: SIGTERM, expecting: "exit 0")
        }
    }

    /// Has a replica end, by a signal or by what `cause` does, and waits until it has, which makes its place free. After the grace that
    /// Kubernetes gives it is killed.
    ///
    /// - Parameter expected: How it is to end; anything else is a finding.
    func end(
        _ slot: Int, by signal: Int32? = nil, expecting expected: String, _ cause: () async -> Void = {}
    ) async throws {
        guard let member = self.members[slot] else { return }
        member.isLeaving = true
        // Clients that choose a replica are told at once, as by the end points of a service.
        if signal == SIGTERM { self.note(slot, .unready) }
        if let signal { member.process.send(signal) }
        await cause()
        let process = member.process
        let killing = Task {
            try await Task.sleep(for: Self.terminationGrace)
            process.send(SIGKILL)
        }
        let ending = try await process.end()
        killing.cancel()
        if ending != expected { self.findings.append("\(member.name) ended with \(ending), and not with \(expected)") }
        self.members[slot] = nil
        self.note(slot, .gone, exit: ending)
    }

    /// Takes note of a replica that ended although nobody wanted that, and starts another one in its place.
    private func hasEnded(_ slot: Int, _ member: Member, _ ending: String) async {
        guard !member.isLeaving, self.members[slot] === member else { return }
        self.findings.append("\(member.name) ended by itself with \(ending)")
        self.members[slot] = nil
        self.note(slot, .gone, exit: ending)
        // One that was never ready would only die again, and whoever waits for it hears of that.
        guard member.wasReady, !self.isEnding else { return }
        do {
            try await self.start(slot)
        } catch {
            self.findings.append("no replica could be started in the place of \(member.name)")
        }
    }

    /// A replica that is ready.
    func firstReady() throws -> Int {
        guard let slot = self.states.firstIndex(of: .ready) else { throw DrillError("No replica is ready.") }
        return slot
    }

    /// Waits until every replica that there is is ready.
    func waitUntilAllAreReady() async throws {
        for (slot, member) in self.members.enumerated() {
            guard let member else { continue }
            try await self.wait("a replica to be ready again", member.process) { await self.look(slot) == .ready }
        }
    }

    /// Does what kubelet does with a replica whose `/live` fails: tells it to stop, kills it after the grace, and starts another one.
    func replaceWhenDead(_ slot: Int) async throws {
        var failures = 0
        let limit = ContinuousClock.now + Self.stallLimit
        while failures < Self.livenessThreshold {
            try await Task.sleep(for: Self.livenessPeriod)
            let isAlive = (try? await self.ask(slot, "/live", limit: Self.livenessTimeout)) == 200
            failures = isAlive ? 0 : failures + 1
            if ContinuousClock.now > limit {
                throw DrillError("A replica that was to stand still goes on answering /live.")
            }
        }
        // Its tasks never end, so the deadline does.
        try await self.end(slot, by: SIGTERM, expecting: "exit 1")
        try await self.start(slot)
    }

    /// Holds every connection of a replica's pool for so long.
    func fillPool(_ slot: Int, for time: Duration) async throws {
        let path = "/_drill/transaction?value=held&ms=\(Int(time / .milliseconds(1)))"
        let isFull = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<(self.environment["DATABASE_POOL_SIZE"].flatMap { Int($0) } ?? 6) {
                group.addTask {
                    (try? await self.ask(slot, path, method: .POST, limit: time + .seconds(20))) == 201
                }
            }
            var isFull = true
            for await isHeld in group { isFull = isFull && isHeld }
            return isFull
        }
        if !isFull { self.findings.append("a transaction that was to hold a connection failed") }
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
        guard let member = self.members[slot] else { return .gone }
        // A drain ends early for a prober that has seen it which would be this one.
        if member.isLeaving { return self.states[slot] }
        let status = try? await self.ask(slot, "/ready", limit: .seconds(1))
        // Somebody else may have noted its end meanwhile.
        guard self.members[slot] === member, !member.process.isGone else { return self.states[slot] }
        let state: DrillEvent.State = status == 200 ? .ready : status == nil ? .silent : .unready
        self.note(slot, state)
        if state == .ready { member.wasReady = true }
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
            if process.isGone {
                throw DrillError(
                    "Waited for \(what); it has ended: \(try await process.end()). Its last words: \(process.lastLine)")
            }
            if ContinuousClock.now > end { throw DrillError("Waited for \(what) in vain.") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
