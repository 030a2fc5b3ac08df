// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The load sees what goes wrong, and only that: other tests believe it when it says that nothing did.
@Suite struct SteadyLoadTests {
    @Test(.endToEnd, arguments: ["0", "0.4"])
    func `no request of a load is lost when the server is told to stop`(drainDelay: String) async throws {
        let server = try await drillServer(["SHUTDOWN_DRAIN_DELAY_SECONDS": drainDelay, "SHUTDOWN_GRACE_SECONDS": "10"])
        let load = SteadyLoad.start(port: try await server.port, target: "/_drill/sleep?ms=1")
        try await eventually("the load runs") { load.answered > 500 }
        // Keeps the grace going for a while.
        let held = try await server.inFlight("/_drill/sleep?ms=8000")
        let trigger = ContinuousClock.now
        server.send(SIGTERM)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
        try await eventually("the load finds nobody") { load.refused > 0 }

        let outcome = try await load.stop()
        #expect(outcome.failures(trigger: trigger, unannounced: drainDelay == "0") == [], "\(outcome)")
        // It ran through all of it.
        #expect(outcome.statuses[200, default: 0] > 500, "\(outcome)")
        #expect(outcome.statuses[503, default: 0] > 0, "\(outcome)")
        #expect(outcome.count(.refused) > 0, "\(outcome)")
        // Without the trigger, none of the refusals is explained.
        #expect(outcome.failures().count == outcome.events.count - outcome.statuses[200, default: 0])
    }

    @Test(.endToEnd) func `a killed server loses requests, and the load says so`() async throws {
        let server = try await drillServer()
        let load = SteadyLoad.start(port: try await server.port, target: "/_drill/sleep?ms=30", connections: 60)
        try await eventually("the load runs") { load.answered > 500 }
        let trigger = ContinuousClock.now
        server.send(SIGKILL)
        _ = try await server.waitForExit()
        let outcome = try await load.stop()
        #expect(!outcome.failures(trigger: trigger).isEmpty, "\(outcome)")
    }

    @Test func `every way to fail a request is seen`() async throws {
        let server = try FaultyServer(Self.behaviour)
        let load = SteadyLoad.start(port: server.port, target: "/", perSecond: 400, connections: 8)
        try await eventually("the load has met everything") { load.answered > 100 }
        let outcome = try await load.stop()
        server.stop()

        for event in outcome.events {
            let behaviour = Self.behaviour(event.sequence)
            let isExpected =
                switch (behaviour, event.fate) {
                case (.answers, .answered(200, saysLater: false)), (.saysClose, .answered(200, saysLater: false)),
                    (.closesLater, .answered(200, saysLater: false)), (.sendsChunks, .answered(200, saysLater: false)),
                    (.fails, .answered(500, saysLater: false)), (.isBusy, .answered(503, saysLater: false)),
                    (.saysLater, .answered(503, saysLater: true)),
                    (.cutsLength, .cut), (.cutsChunks, .cut), (.cutsHead, .cut), (.resetsInBody, .cut),
                    (.sendsTooMuch, .malformed), (.sendsNoHTTP, .malformed), (.isSilent, .missing):
                    true
                case (.drops, .closedWithoutByte(let close)): !close.wasUnread
                case (.neverReads, .closedWithoutByte(let close)): close.wasUnread
                // It crossed the close of `closesLater`.
                case (_, .closedWithoutByte(let close)): close.wasUnread && !close.wasFresh
                default: false
                }
            #expect(isExpected, "\(behaviour): \(event)")
        }
        #expect(Set(outcome.events.map(\.sequence)) == Set(0..<outcome.events.count))
        #expect(outcome.idleCloses > 0)
        let good: [FaultyServer.Behaviour] = [.answers, .saysClose, .closesLater, .sendsChunks]
        let failed = outcome.failures().map(\.sequence)
        #expect(failed.count { good.contains(Self.behaviour($0)) } < 10)
        #expect(failed.count == outcome.events.count - outcome.statuses[200, default: 0])
    }

    /// All in turn, except that silence takes only a few of the connections away.
    private static func behaviour(_ sequence: Int) -> FaultyServer.Behaviour {
        if (100..<103).contains(sequence) { return .isSilent }
        let others = FaultyServer.Behaviour.allCases.filter { $0 != .isSilent }
        return others[sequence % others.count]
    }

    @Test func `it sends at about its rate, over its connections`() async throws {
        let server = try FaultyServer { _ in .answers }
        let load = SteadyLoad.start(port: server.port, target: "/", perSecond: 500, connections: 5)
        try await eventually("the load has run for a while") { load.answered >= 500 }
        let outcome = try await load.stop()
        server.stop()
        #expect(outcome.failures() == [])
        #expect(server.accepted == 5)
        let last = try #require(outcome.events.last)
        // Never faster; how much slower is up to the machine.
        #expect(last.ended - outcome.start >= .seconds(1) * (outcome.events.count - 5) / 500)
    }

    @Test func `nobody there is refused`() async throws {
        let server = try FaultyServer { _ in .answers }
        let port = server.port
        server.stop()
        let load = SteadyLoad.start(port: port, target: "/", connections: 2)
        try await Task.sleep(for: .milliseconds(300))
        let outcome = try await load.stop()
        #expect(outcome.count(.refused) > 2)
        #expect(outcome.count(.refused) == outcome.events.count)
        // Nor does it try as fast as it can.
        #expect(outcome.count(.refused) < 100)
    }

    // MARK: What a shutdown explains

    private static let start = ContinuousClock.now

    /// The failures among events that each take a millisecond, sent at these milliseconds; the trigger comes at 100.
    private static func failures(
        _ fates: (Int, SteadyLoad.Fate)...,
        unannounced: Bool = false,
        crossing: Duration = .seconds(1)
    ) -> [Int] {
        var outcome = SteadyLoad.Outcome(start: self.start)
        for (moment, fate) in fates {
            let sent = self.start + .milliseconds(moment)
            outcome.add(.init(sequence: moment, sent: sent, ended: sent + .milliseconds(1), fate: fate))
        }
        let trigger = self.start + .milliseconds(100)
        return outcome.failures(trigger: trigger, unannounced: unannounced, crossing: crossing).map(\.sequence)
    }

    private static let fine = SteadyLoad.Fate.answered(status: 200, saysLater: false)
    private static let later = SteadyLoad.Fate.answered(status: 503, saysLater: true)

    private static func closed(fresh: Bool, unread: Bool) -> SteadyLoad.Fate {
        .closedWithoutByte(.init(wasFresh: fresh, wasUnread: unread))
    }

    @Test func `a refusal is explained after the trigger only`() {
        #expect(Self.failures((10, Self.later), (20, Self.fine), (110, Self.fine), (120, Self.later)) == [10])
        #expect(Self.failures((110, .answered(status: 503, saysLater: false))) == [110])
        #expect(Self.failures((110, .answered(status: 500, saysLater: false))) == [110])
        #expect(Self.failures((110, .cut), (120, .malformed), (130, .missing)) == [110, 120, 130])
    }

    @Test func `nobody there is explained when nobody answers afterwards`() {
        #expect(Self.failures((10, .refused), (110, .refused), (120, Self.later), (130, .refused)) == [10, 110])
    }

    @Test func `a kept connection may be closed, if the request was not read or could not be told not to come`() {
        let unread = Self.closed(fresh: false, unread: true)
        #expect(Self.failures((10, unread), (110, unread), (120, Self.later)) == [10])
        #expect(Self.failures((110, unread), crossing: .zero) == [110])
        let read = Self.closed(fresh: false, unread: false)
        #expect(Self.failures((110, read)) == [110])
        #expect(Self.failures((10, read), (110, read), unannounced: true) == [10])
        #expect(Self.failures((110, read), unannounced: true, crossing: .zero) == [110])
    }

    @Test func `a fresh connection may be closed at the end of all, unless the request was read before the trigger`() {
        let unread = Self.closed(fresh: true, unread: true)
        let read = Self.closed(fresh: true, unread: false)
        #expect(Self.failures((110, unread), (115, read), (120, Self.later), (130, unread), (140, read)) == [110, 115])
        #expect(Self.failures((100, read)) == [100])
        #expect(Self.failures((100, unread)) == [])
        #expect(Self.failures((110, unread), (120, read), crossing: .zero) == [110, 120])
    }
}
