// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A steady stream of `GET` requests over kept-alive connections, which tells what became of every single one.
///
/// ```swift
/// let load = SteadyLoad.start(port: try await server.port, target: "/_drill/sleep?ms=1")
/// try await eventually("the load runs") { load.answered > 500 }
/// let trigger = ContinuousClock.now
/// server.send(SIGTERM)
/// _ = try await server.waitForExit()
/// #expect(try await load.stop().failures(trigger: trigger) == [])
/// ```
///
/// One plain thread makes all of it, so that the server keeps the rest of a small machine. Every connection has its own
/// share of the rate and sends its next request when that is due and the last one is answered; a slot that has gone by
/// in the meantime is lost, not made up for. A connection that was closed is made anew for the next request.
package final class SteadyLoad: Sendable {
    /// What the thread and the tests share.
    private final class Shared: Sendable {
        let answered = Atomic(0)
        let refused = Atomic(0)
        /// From when on nothing more is sent is the moment this is set; until when answers are waited for is its value.
        let end = Mutex<ContinuousClock.Instant?>(nil)
        let outcome = Watched<Outcome?>(nil)
    }

    private let shared = Shared()

    private init() {}

    // Without it the load of a test that failed would go on.
    deinit { self.endSending(waiting: .zero) }

    /// Starts the load.
    ///
    /// - Parameters:
    ///   - port: A port of this machine, by IPv4.
    ///   - perSecond: How many requests all connections send together while the server keeps up.
    package static func start(
        port: Int,
        target: String,
        perSecond: Int = 2000,
        connections: Int = 20
    ) -> SteadyLoad {
        let load = SteadyLoad()
        let shared = load.shared
        Thread.detachNewThread {
            let outcome = self.run(port: port, target: target, perSecond: perSecond, connections: connections, shared)
            shared.outcome.update { $0 = outcome }
        }
        return load
    }

    /// How many whole answers have come so far, whatever their status.
    package var answered: Int { self.shared.answered.load(ordering: .relaxed) }

    /// How many requests have found nobody who listens so far.
    package var refused: Int { self.shared.refused.load(ordering: .relaxed) }

    /// Sends nothing more, waits for the answers that are still due, and tells what became of every request.
    ///
    /// - Parameter patience: When an answer that has not come by then is called missing.
    package func stop(waiting patience: Duration = .seconds(10)) async throws -> Outcome {
        self.endSending(waiting: patience)
        return try await self.shared.outcome.wait(for: "the load to end") { $0 }
    }

    private func endSending(waiting patience: Duration) {
        self.shared.end.withLock { $0 = $0 ?? .now + patience }
    }

    private static func run(
        port: Int,
        target: String,
        perSecond: Int,
        connections count: Int,
        _ shared: Shared
    ) -> Outcome {
        let interval = Duration.seconds(1) * count / perSecond
        let start = ContinuousClock.now
        let connections = (0..<count).map { index in
            Connection(port: port, target: target, interval: interval, firstDue: start + interval * index / count)
        }
        var outcome = Outcome(start: start)
        var waiting = [pollfd](repeating: pollfd(fd: -1, events: 0, revents: 0), count: count)
        while true {
            let end = shared.end.withLock { $0 }
            var now = ContinuousClock.now
            // So soon does the thread look whether the test has stopped it.
            var next = now + .milliseconds(20)
            var isBusy = false
            for (index, connection) in connections.enumerated() {
                if end == nil && connection.isDue(now) { connection.begin(&outcome) }
                if !connection.isBusy { next = min(next, connection.due) }
                isBusy = isBusy || connection.isBusy
                waiting[index].fd = connection.descriptor
                waiting[index].events = connection.awaits
            }
            // Most are known at once, without anything to wait for.
            shared.refused.store(outcome.refused, ordering: .relaxed)
            if let end, !isBusy || now >= end { break }
            now = .now
            // Rounded up: to wake in vain is what costs.
            let pause = max(.zero, next - now) + .microseconds(999)
            guard poll(&waiting, nfds_t(count), Int32(pause / .milliseconds(1))) > 0 else { continue }
            for (index, connection) in connections.enumerated() where waiting[index].revents != 0 {
                connection.proceed(&outcome)
            }
            shared.answered.store(outcome.answered, ordering: .relaxed)
        }
        for connection in connections { connection.giveUp(&outcome) }
        return outcome
    }
}
