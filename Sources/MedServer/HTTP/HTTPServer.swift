// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedRuntime
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// The listening socket is gone although nobody closed it.
struct ListenerClosed: Error {}

/// The listening sockets. They are opened first and closed by the exit alone, so that connections are accepted all the time.
final class HTTPServer: Sendable {
    /// Half the cores: the handlers, on the task pool, need the others (docs/decisions/0004-event-loops.md).
    static let eventLoopCount = max(1, System.coreCount / 2)

    /// How long nobody may have been refused before the exit comes.
    private static let refusalPause = TimeAmount.milliseconds(50)
    /// How long the exit waits for that at most.
    private static let refusalLimit = TimeAmount.milliseconds(500)
    /// How long it waits for pages of metrics.
    private static let pageLimit = TimeAmount.milliseconds(250)

    /// A port that is open.
    private struct Listener {
        var channel: any Channel
        var standIn: StandInListener?
    }

    private struct State {
        var listeners: [Listener] = []
        var hasLostLoop = false
        var isStalled = false
        /// Nobody accepts any more.
        var isSettled = false
    }

    private let shared: ServerShared
    private let stalls: StallWatch
    private let state = Mutex(State())

    init(shared: ServerShared, stalls: StallWatch) {
        self.shared = shared
        self.stalls = stalls
        shared.loops.watch(by: stalls)
    }

    /// Opens a port and begins to answer on it.
    ///
    /// - Parameters:
    ///   - endpoint: what is answered there.
    ///   - tls: with what it speaks TLS; nil if it speaks plain HTTP.
    /// - Returns: the port, which the system has chosen if `port` is 0.
    func open(host: String, port: Int, as endpoint: Endpoint, tls: TLSIdentity? = nil) async throws -> Int {
        let shared = self.shared
        let channel = try await ServerBootstrap(group: shared.loops.group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // Most connections are idle most of the time: a buffer as large as the last read, not as the library expects.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 65_536)
            )
            // What one read brings is parsed as a whole; this bounds how many requests that can be.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.context)) }
                    try pipeline.addHandler(
                        ServerConnection(channel: channel, shared: shared, endpoint: endpoint, isSecure: tls != nil)
                    )
                }
            }
            .bind(host: host, port: port)
            .get()
        channel.closeFuture.whenComplete { _ in shared.lifecycle.stop(.uncaughtException, because: ListenerClosed()) }
        let descriptor = try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
        }.get()
        let standIn = try descriptor.map {
            try StandInListener(
                listening: $0,
                answer: StandInAnswers(shared: shared, endpoint: endpoint).answer
            )
        }
        self.state.withLock { $0.listeners.append(Listener(channel: channel, standIn: standIn)) }
        return channel.localAddress?.port ?? port
    }

    /// Reads nothing more, and has what was read answered: the server's last step before the exit.
    ///
    /// What comes later is reset by the exit, which tells its client that nobody has read it. But not every client understands that: nginx
    /// repeats a POST that was refused, and none that was reset. So as long as requests come it goes on refusing them, for a while.
    func settle() async {
        let began = NIODeadline.now()
        await self.wait(until: began + Self.refusalLimit) { self.shared.table.hasRefused(within: Self.refusalPause) }
        let end = began + Self.refusalLimit + ConnectionLimits.lingerTime
        await self.wait(until: end) { self.shared.table.hasEarlyAnswers }
        self.changeAcceptor { $0.isSettled = true }
        self.shared.table.stopReading()
        // An answer is written in the turn after its request was read, and a stream of HTTP/2 takes one more on either way.
        await self.letLoopsTurn(times: 2)
        // What was read at the last moment, too.
        await self.wait(until: end) { self.shared.table.hasEarlyAnswers }
        await self.wait(until: .now() + Self.pageLimit) { self.shared.telemetry.pages?.isWriting == true }
        await self.letLoopsTurn(times: 4)
    }

    private func wait(until limit: NIODeadline, while isGoing: () -> Bool) async {
        while NIODeadline.now() < limit, isGoing() { try? await Task.sleep(for: .milliseconds(5)) }
    }

    private func letLoopsTurn(times: Int) async {
        for _ in 0..<times {
            for loop in self.shared.loops.living { try? await loop.submit {}.get() }
        }
    }

    /// Does what a phase asks of connections.
    func entered(_ phase: Phase) {
        self.shared.table.entered(phase)
    }

    // MARK: - Event loops that do not work

    /// A thread is lost to a trap. If it ran an event loop, its connections end at once, and somebody else answers new ones.
    func trapped(_ trap: ContainedTrap) {
        guard let loop = self.shared.loops.lose(thread: trap.threadID) else { return }
        self.stalls.forget(self.shared.loops.name(of: loop))
        let connections = self.shared.table.cutOff(loop)
        let requests = self.shared.lifecycle.work.strikeOut { ($0 as? Exchange)?.eventLoop === loop }
        self.changeAcceptor { $0.hasLostLoop = true }
        self.shared.logger.critical(
            "An event loop is lost",
            metadata: ["http.connections": "\(connections)", "http.requests": "\(requests)"]
        )
    }

    /// The set of what is stalled has changed.
    func stallsChanged(_ stalled: Set<String>) {
        self.changeAcceptor { $0.isStalled = stalled.contains(where: EventLoops.isName) }
    }

    /// Has the event loop accept, or the stand-in, or nobody, as the state says after `change`.
    private func changeAcceptor(_ change: (inout State) -> Void) {
        self.state.withLock { state in
            change(&state)
            // A loop that accepts could hand a connection to one that does not work.
            let needsStandIn = state.hasLostLoop || state.isStalled
            for listener in state.listeners {
                let isRead = !needsStandIn && !state.isSettled
                listener.channel.setOption(.autoRead, value: isRead).whenComplete { _ in }
                if needsStandIn, !state.isSettled {
                    listener.standIn?.activate()
                } else {
                    listener.standIn?.deactivate()
                }
            }
        }
    }
}
