// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Synchronization
import Testing

/// What one end-to-end test has started and made; it ends and removes all of it afterwards.
///
/// `MED_KEEP=1` in the environment of the test run keeps the folder of a test that failed.
final class EndToEnd: Sendable {
    /// The one of the running test.
    @TaskLocal static var current: EndToEnd?

    private struct State {
        var servers: [ServerProcess] = []
        var tools: [ChildProcess] = []
        var shells: [SQLiteShell] = []
        var mounts: [TemporaryMount] = []
        var containers: [Container] = []
        var databases: [PostgresServer] = []
        var hasFailed = false
    }

    /// The folder of this test.
    let folder: URL
    private let state = Mutex(State())

    init() throws {
        self.folder = FileManager.default.temporaryDirectory.appending(path: "medbuilder-e2e-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    }

    func add(_ server: ServerProcess) { self.state.withLock { $0.servers.append(server) } }
    func add(_ tool: ChildProcess) { self.state.withLock { $0.tools.append(tool) } }
    func add(_ shell: SQLiteShell) { self.state.withLock { $0.shells.append(shell) } }
    func add(_ mount: TemporaryMount) { self.state.withLock { $0.mounts.append(mount) } }
    func add(_ container: Container) { self.state.withLock { $0.containers.append(container) } }
    func add(_ database: PostgresServer) { self.state.withLock { $0.databases.append(database) } }
    func noteFailure() { self.state.withLock { $0.hasFailed = true } }

    /// What lines of the servers' logs are not what lines of a log have to be.
    var malformedLines: [String] { self.state.withLock(\.servers).flatMap(\.malformedLines) }

    /// What the servers wrote last, for the message of a failure.
    var tails: String { self.state.withLock(\.servers).map(\.tail).joined(separator: "\n\n") }

    func end() async {
        let state = self.state.withLock { $0 }
        for server in state.servers { try? await server.process.end() }
        for tool in state.tools { try? await tool.end() }
        for database in state.databases { await database.end() }
        for shell in state.shells { try? await shell.release() }
        for mount in state.mounts { try? await mount.unmount() }
        for container in state.containers { try? await container.remove() }
        if state.hasFailed && ProcessInfo.processInfo.environment["MED_KEEP"] != nil {
            print("Kept: \(self.folder.path)")
        } else {
            try? FileManager.default.removeItem(at: self.folder)
        }
    }
}

/// A test that failed by throwing, with what its servers wrote.
struct EndToEndFailure: Error, CustomStringConvertible {
    let description: String
}

/// Gives every test of a suite its ``EndToEnd``, and every failure the end of its servers' logs.
struct EndToEndTrait: SuiteTrait, TestTrait, TestScoping {
    // Mostly they wait; all at once, on a small machine, they would wait for each other.
    private static let slots = Slots(count: 4 * ProcessInfo.processInfo.activeProcessorCount)

    var isRecursive: Bool { true }

    func scopeProvider(for test: Test, testCase: Test.Case?) -> Self? { testCase == nil ? nil : self }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let context = try EndToEnd()
        let needed = test.traits.contains { $0 is AloneTrait } ? Self.slots.count : 1
        await Self.slots.enter(needed)
        let result = await EndToEnd.$current.withValue(context) {
            await self.perform(function, in: context, test, testCase)
        }
        await context.end()
        await Self.slots.leave(needed)
        try result.get()
    }

    private func perform(
        _ function: @concurrent @Sendable () async throws -> Void,
        in context: EndToEnd,
        _ test: Test,
        _ testCase: Test.Case?
    ) async -> Result<Void, any Error> {
        let handler: IssueHandlingTrait = .compactMapIssues { issue in
            context.noteFailure()
            var issue = issue
            issue.comments.append(Comment(rawValue: context.tails))
            return issue
        }
        do {
            try await handler.provideScope(for: test, testCase: testCase) {
                try await function()
                let malformed = context.malformedLines
                #expect(malformed.isEmpty, "Lines of the log break the schema.")
            }
            return .success(())
        } catch {
            context.noteFailure()
            if error is ExpectationFailedError { return .failure(error) }
            return .failure(EndToEndFailure(description: "\(error)\n\(context.tails)"))
        }
    }
}

extension Trait where Self == EndToEndTrait {
    /// Starts the real binary.
    static var endToEnd: Self { EndToEndTrait() }
}

/// Lets no other end-to-end test run meanwhile: a load at a rate is one only where it gets the processors that it needs.
struct AloneTrait: SuiteTrait, TestTrait {
    var isRecursive: Bool { true }
}

extension Trait where Self == AloneTrait {
    /// Beside ``EndToEndTrait``, without which it does nothing: no other such test runs meanwhile.
    static var alone: Self { AloneTrait() }
}

/// Lets a number of tasks in at a time, in the order in which they come.
private actor Slots {
    nonisolated let count: Int
    private var free: Int
    private var waiting: [(needed: Int, continuation: CheckedContinuation<Void, Never>)] = []

    init(count: Int) {
        self.count = count
        self.free = count
    }

    func enter(_ needed: Int) async {
        if self.waiting.isEmpty && self.free >= needed {
            self.free -= needed
        } else {
            await withCheckedContinuation { self.waiting.append((needed, $0)) }
        }
    }

    func leave(_ needed: Int) {
        self.free += needed
        while let next = self.waiting.first, next.needed <= self.free {
            self.free -= next.needed
            self.waiting.removeFirst().continuation.resume()
        }
    }
}
