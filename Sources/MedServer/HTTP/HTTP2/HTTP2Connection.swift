// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import NIOCore
import NIOHTTP2

/// One HTTP/2 connection: opens a ``HTTP2Stream`` for every request, and ends without losing one.
///
///     serving ──drain delay, idle, too many requests──▶ announced ──PING answered, or 1 s──▶ leaving
///        │         GOAWAY(2³¹-1), PING                    GOAWAY(last stream)                    │ no stream is left
///        │                                                                                       ▼
///        └── grace, and no stream ──GOAWAY(last stream)──▶ closed ◀──EOF or 1 s── lingering ◀────┘
///
/// The two steps are those of RFC 9113 §6.8: streams that the client opened before it could know are still answered,
/// and the last number then says which ones were. Lingering is as with HTTP/1.1. The exit makes whatever is not there yet leave.
final class HTTP2Connection: ChannelInboundHandler, ConnectionDriver, @unchecked Sendable {
    // Unchecked: all state is touched on the channel's event loop alone.
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private enum State {
        case serving
        case announced
        case leaving
        /// What was written leaves, and then the client has a moment to end the connection, too.
        case lingering(until: NIODeadline)
        case closed
    }

    private static let pingData = HTTP2PingData(withInteger: 0x6d65_6462_7569_6c64)
    /// GOAWAY(2³¹-1) and PING (RFC 9113 §6.8, §6.7). The library does not see them: after a GOAWAY that it has sent while no stream was
    /// open, it refuses the streams that are on their way, whatever last number that named.
    private static let announcement: [UInt8] =
        [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]
        + [0, 0, 8, 6, 0, 0, 0, 0, 0] + "medbuild".utf8
    /// How long a client may take to answer the PING that says that it has read the GOAWAY.
    private static let pingTimeout = TimeAmount.seconds(1)
    /// As many as most servers allow (RFC 9113 §6.5.2 asks for 100 at least).
    static let maxStreams = 100

    let connection: ServerConnection
    private var context: ChannelHandlerContext?
    private var state = State.serving
    private var openStreams = 0
    private var allStreams = 0
    private var lastStream = HTTP2StreamID.rootStream
    private var hasSettings = false
    private var waitingSince: NIODeadline
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?

    /// Has a connection speak HTTP/2 from here on.
    static func add(to connection: ServerConnection) throws -> HTTP2Connection {
        let new = HTTP2Connection(connection: connection)
        let limits = connection.shared.limits
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Self.maxStreams),
            // Above our own limit, which answers 431: beyond this one the library ends the connection.
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.maxHeaderSize * 2),
            HTTP2Setting(parameter: .initialWindowSize, value: 65_535),
        ]
        let loop = connection.channel.eventLoop
        let bound = NIOLoopBound(new, eventLoop: loop)
        try connection.channel.pipeline.syncOperations.addHandlers(
            NIOHTTP2Handler(
                mode: .server,
                eventLoop: loop,
                connectionConfiguration: configuration,
                streamConfiguration: NIOHTTP2Handler.StreamConfiguration(),
                streamDelegate: StreamCounter(connection: bound),
                inboundStreamInitializer: { stream in
                    stream.eventLoop.makeCompletedFuture {
                        try HTTP2Stream.add(to: stream, of: bound.value)
                    }
                }
            ),
            new
        )
        return new
    }

    private struct StreamCounter: NIOHTTP2StreamDelegate {
        let connection: NIOLoopBound<HTTP2Connection>

        func streamCreated(_ id: HTTP2StreamID, channel: any Channel) { self.connection.value.streamOpened(id) }
        func streamClosed(_ id: HTTP2StreamID, channel: any Channel) { self.connection.value.streamEnded() }
    }

    private init(connection: ServerConnection) {
        self.connection = connection
        self.waitingSince = connection.openedAt
    }

    private var shared: ServerShared { self.connection.shared }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.arm(at: self.idleDeadline)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.ended() }

    func channelInactive(context: ChannelHandlerContext) {
        self.ended()
        context.fireChannelInactive()
    }

    private func ended() {
        self.state = .closed
        self.context = nil
        self.timer?.task.cancel()
        self.timer = nil
    }

    func takesBytes(_ bytes: ByteBuffer) -> Bool {
        switch self.state {
        case .serving, .announced, .leaving: true
        case .lingering, .closed: false
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data).payload {
        case .ping(Self.pingData, ack: true): self.leave()
        case .settings: self.hasSettings = true
        default: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else {
            return context.fireUserInboundEventTriggered(event)
        }
        // A client of HTTP/2 that can send nothing can take no answer either: it could not open its windows.
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of one stream: it was reset, and the connection goes on.
        if error is NIOHTTP2Errors.StreamError { return }
        // The library has told the client why by a GOAWAY; its bytes shall leave before the connection does.
        self.finish()
    }

    // MARK: - Streams

    private func streamOpened(_ id: HTTP2StreamID) {
        self.openStreams += 1
        self.allStreams += 1
        self.lastStream = max(self.lastStream, id)
        self.connection.isBusy()
        if let limit = self.shared.limits.maxRequests, self.allStreams >= limit { self.announce() }
        // Whoever connects during a shutdown is told with the first answer to ask elsewhere next time. Told earlier, it would hold us to
        // streams that come when we are gone.
        if self.isShuttingDown { self.announce() }
    }

    private func streamEnded() {
        self.openStreams -= 1
        guard self.openStreams == 0 else { return }
        self.waitingSince = .now()
        self.connection.isIdle(since: self.waitingSince)
        switch self.state {
        case .leaving:
            // The last frame of the stream is on its way through the pipeline.
            self.context?.eventLoop.assumeIsolated().execute { self.finish() }
        case .serving, .announced:
            self.arm(at: self.idleDeadline)
            self.enteredWhileIdle(self.shared.lifecycle.phase)
        case .lingering, .closed:
            break
        }
    }

    // MARK: - Endings

    func entered(_ phase: Phase) {
        // One that has had no request stays: the first may be on its way, and is to get an answer.
        guard self.isShuttingDown, self.allStreams > 0 else { return }
        self.announce()
        if self.openStreams == 0 { self.enteredWhileIdle(phase) }
    }

    private func enteredWhileIdle(_ phase: Phase) {
        if phase.refusesWork, self.isShuttingDown { self.leave() }
    }

    /// Whether requests are to go elsewhere. The port for management stays as it is to the end.
    private var isShuttingDown: Bool {
        self.shared.lifecycle.phase.isShuttingDown && self.connection.endpoint.kind == .main
    }

    func closeIfIdle() {
        if self.openStreams == 0 { self.leave() }
    }

    /// A client that hears which streams were read repeats the others, even those that it must not send twice (RFC 9113 §8.7).
    func readsNoMore() { self.leave() }

    var isLingering: Bool { if case .lingering = self.state { true } else { false } }

    /// Tells the client to open no more streams here.
    private func announce() {
        guard case .serving = self.state, let context = self.context else { return }
        self.state = .announced
        self.connection.send(Self.announcement)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.pingTimeout) {
            if case .announced = self.state { self.leave() }
        }
    }

    /// Takes no more streams; ends when there are none.
    private func leave() {
        switch self.state {
        case .serving, .announced: break
        case .leaving, .lingering, .closed: return
        }
        guard let context = self.context else { return }
        self.state = .leaving
        if self.openStreams == 0 { return self.finish() }
        self.write(.goAway(lastStreamID: self.lastStream, errorCode: .noError, opaqueData: nil), to: context)
        context.flush()
    }

    /// Ends the connection when everything that was written has left.
    private func finish() {
        switch self.state {
        case .serving, .announced, .leaving: break
        case .lingering, .closed: return
        }
        guard let context = self.context else { return }
        self.linger(for: self.shared.limits.bodyTimeout)
        // Frames leave in order: when this one has, all have.
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            guard let context = self.context else { return }
            context.close(mode: .output, promise: nil)
            self.linger(for: ConnectionLimits.lingerTime)
        }
        self.write(
            .goAway(lastStreamID: self.lastStream, errorCode: .noError, opaqueData: nil), to: context, promise: promise)
        context.flush()
    }

    private func linger(for time: TimeAmount) {
        let until = NIODeadline.now() + time
        self.state = .lingering(until: until)
        self.arm(at: until)
    }

    private func write(
        _ payload: HTTP2Frame.FramePayload,
        to context: ChannelHandlerContext,
        promise: EventLoopPromise<Void>? = nil
    ) {
        context.write(self.wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: payload)), promise: promise)
    }

    // MARK: - Time

    private var idleDeadline: NIODeadline {
        self.waitingSince + (self.hasSettings ? self.shared.limits.idleTimeout : self.shared.limits.headerTimeout)
    }

    private func arm(at deadline: NIODeadline) {
        guard let context = self.context else { return }
        if let timer, timer.at <= deadline { return }
        self.timer?.task.cancel()
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.timeIsUp() }
        self.timer = (deadline, task)
    }

    private func timeIsUp() {
        self.timer = nil
        switch self.state {
        case .closed:
            return
        case .lingering(let until):
            // An earlier deadline, of the connection while it was idle, may have been waited for.
            if NIODeadline.now() < until { return self.arm(at: until) }
            self.context?.close(promise: nil)
        case .serving, .announced, .leaving:
            guard self.openStreams == 0 else { return }
            if NIODeadline.now() < self.idleDeadline { return self.arm(at: self.idleDeadline) }
            self.leave()
        }
    }
}
