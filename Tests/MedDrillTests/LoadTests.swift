// MedBuilder
// SPDX-License-Identifier: Apache-2.0

@testable import MedDrill
import MedTesting
import Testing

/// A drill believes its load when it says that nothing failed.
@Suite struct LoadTests {
    private func plan(rate: Int = 500, retries: Bool = false) -> LoadPlan {
        LoadPlan(rate: rate, retries: retries, readTargets: ["/read"], writeTarget: "/write?value=")
    }

    private func samples(of load: Load, count: Int) async throws -> [LoadSample] {
        while load.answered < count { try await Task.sleep(for: .milliseconds(10)) }
        return await load.stop()
    }

    @Test func `all that is due is sent, and a server that answers fails nothing`() async throws {
        let server = try FaultyServer { _ in .answers }
        defer { server.stop() }
        let samples = try await self.samples(of: Load(self.plan(), ports: [server.port]), count: 500)
        #expect(samples.allSatisfy { $0.fate == .answered(200) && !$0.wasRetried })
        #expect(Set(samples.map(\.sequence)) == Set(0..<UInt32(samples.count)))
        let writes = samples.count(where: \.isWrite)
        #expect(abs(writes * 10 - samples.count) <= 10)
        // Those that have a connection of their own, and those that share some.
        #expect(server.accepted > samples.count / 20)
        #expect(server.accepted < samples.count / 2)
    }

    @Test func `every way to fail a request is seen`() async throws {
        let server = try FaultyServer { Self.behaviour($0) }
        defer { server.stop() }
        // So few that a busy machine answers all others long before the patience ends.
        var plan = self.plan(rate: 200)
        plan.patience = .seconds(5)
        let samples = try await self.samples(of: Load(plan, ports: [server.port]), count: 400)
        for sample in samples {
            let behaviour = Self.behaviour(Int(sample.sequence))
            let isExpected =
                switch (behaviour, sample.fate) {
                case (.answers, .answered(200)), (.saysClose, .answered(200)), (.closesLater, .answered(200)),
                    (.sendsChunks, .answered(200)), (.fails, .answered(500)), (.isBusy, .answered(503)),
                    (.saysLater, .answered(503)), (.cutsLength, .cut), (.cutsChunks, .cut), (.cutsHead, .cut),
                    (.resetsInBody, .cut), (.sendsTooMuch, .malformed), (.sendsNoHTTP, .malformed),
                    (.isSilent, .missing), (.drops, .closed), (.neverReads, .closed):
                    true
                // It crossed the close of `closesLater`.
                case (_, .closed): true
                default: false
                }
            #expect(isExpected, "\(behaviour): \(sample)")
        }
        let seen = Set(samples.map(\.fate))
        #expect(
            seen.isSuperset(of: [.answered(200), .answered(500), .answered(503), .cut, .malformed, .closed, .missing]))
    }

    private static func behaviour(_ sequence: Int) -> FaultyServer.Behaviour {
        FaultyServer.Behaviour.allCases[sequence % FaultyServer.Behaviour.allCases.count]
    }

    @Test func `a request on a kept connection that was closed is sent once more, if the client may`() async throws {
        // Every request closes the connection after its answer, unannounced: the next one on it finds it closed now and then.
        let server = try FaultyServer { _ in .closesLater }
        defer { server.stop() }
        var plan = self.plan(rate: 2000, retries: true)
        plan.keptConnections = 4
        let samples = try await self.samples(of: Load(plan, ports: [server.port]), count: 2000)
        #expect(samples.contains { $0.wasRetried && $0.fate == .answered(200) })
        #expect(samples.allSatisfy { $0.fate == .answered(200) })
        plan.retries = false
        let failing = try await self.samples(of: Load(plan, ports: [server.port]), count: 2000)
        #expect(failing.contains { $0.fate == .closed })
        #expect(failing.allSatisfy { !$0.wasRetried })
    }

    @Test func `a new connection that is closed is a failure, whatever the client may`() async throws {
        let server = try FaultyServer { _ in .drops }
        defer { server.stop() }
        let samples = try await self.samples(of: Load(self.plan(retries: true), ports: [server.port]), count: 100)
        #expect(samples.allSatisfy { $0.fate == .closed && !$0.wasRetried })
    }

    @Test func `time counts from when a request was due, not from when it found a connection`() async throws {
        let server = try FaultyServer { $0 < 20 ? .isSilent : .answers }
        defer { server.stop() }
        var plan = self.plan()
        plan.keptConnections = 1
        plan.patience = .milliseconds(800)
        let samples = try await self.samples(of: Load(plan, ports: [server.port]), count: 200)
        // The only kept connection is taken until the patience ends; those behind it have waited for as long.
        let waited = samples.filter { $0.fate == .answered(200) && $0.latency > 300_000 }
        #expect(waited.count > 50)
    }

    @Test func `new connections go where they are told, and nobody there is refused`() async throws {
        let (first, second) = (try FaultyServer { _ in .answers }, try FaultyServer { _ in .answers })
        defer { second.stop() }
        let load = Load(self.plan(retries: true), ports: [first.port])
        while load.answered < 100 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(second.accepted == 0)
        load.use([second.port])
        while second.accepted == 0 { try await Task.sleep(for: .milliseconds(10)) }
        load.use([first.port])
        first.stop()
        let before = load.answered
        while load.answered < before + 100 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await load.stop().contains { $0.fate == .refused })
    }
}
