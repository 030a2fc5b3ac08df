// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS
import Synchronization

/// Speaks one version of HTTP on a connection whose version is known.
///
/// All methods are called on the connection's event loop.
protocol ConnectionDriver: AnyObject {
    /// Bytes came. False if they are not to be parsed.
    func takesBytes(_ bytes: ByteBuffer) -> Bool
    /// There is a new phase.
    func entered(_ phase: Phase)
    /// Closes the connection if nothing is being answered on it.
    func closeIfIdle()
    /// Nothing is read any more, since the process ends: says so, if that can be said.
    func readsNoMore()
    /// Whether all is answered, and what comes is thrown away.
    var isLingering: Bool { get }
}

/// A connection that was accepted: its place in the table, its first bytes, which decide the version of HTTP, and
/// whatever does not depend on that.
///
///     accepted ──TLS, if the port has it──▶ handshake done ──ALPN says h2──────────────▶ HTTP/2
///        │                                       │ no ALPN: as on a port without TLS
///        └──────────first bytes──────────────────┴──"PRI * HTTP/2.0…" (RFC 9113 §3.3)─▶ HTTP/2
///                                                └──anything else─────────────────────▶ HTTP/1.1
///
/// It stands in front of the parser and sees every byte before it.
final class ServerConnection: ChannelDuplexHandler, @unchecked Sendable {
    // Unchecked: all state but the atomic is touched on the channel's event loop alone.
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// The TLS handshake is not done.
        case handshaking
        /// The bytes so far are the beginning of an HTTP/2 connection, as far as they go.
        case undecided(ByteBuffer)
        case decided(any ConnectionDriver)
        case closed
    }

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// Nanoseconds of the moment since when no request is being answered; 0 while one is. A new connection counts as
    /// idle only after a second, so that its first request can come before it makes room for another.
    let idleSince = Atomic<UInt64>(0)
    let channel: any Channel
    let shared: ServerShared
    let endpoint: Endpoint
    /// Whether it speaks TLS.
    let isSecure: Bool
    /// The socket, for the day on which the event loop cannot close it; -1 if the channel has none.
    let descriptor: NIOBSDSocket.Handle
    let openedAt = NIODeadline.now()
    private(set) var admission = ConnectionTable.Admission.normal
    private var state: State
    private var timer: Scheduled<Void>?
    /// Whether what many streams write in one turn of the event loop leaves together.
    private var collectsFlushes = false
    private var isFlushing = false

    init(channel: any Channel, shared: ServerShared, endpoint: Endpoint, isSecure: Bool) {
        self.channel = channel
        self.shared = shared
        self.endpoint = endpoint
        self.isSecure = isSecure
        self.descriptor = (try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable { $0 }) ?? -1
        self.state = isSecure ? .handshaking : .undecided(ByteBuffer())
        self.isIdle(since: self.openedAt + .seconds(1))
    }

    /// Nothing is being answered any more.
    func isIdle(since moment: NIODeadline) { self.idleSince.store(moment.uptimeNanoseconds, ordering: .relaxed) }

    /// Something is being answered.
    func isBusy() { self.idleSince.store(0, ordering: .relaxed) }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        guard let admission = self.shared.table.add(self) else { return context.close(promise: nil) }
        self.admission = admission
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(
            deadline: self.openedAt + self.shared.limits.headerTimeout
        ) { self.firstBytesAreLate() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.ended() }

    func channelInactive(context: ChannelHandlerContext) {
        self.ended()
        context.fireChannelInactive()
    }

    private func ended() {
        if case .closed = self.state { return }
        self.state = .closed
        self.timer?.cancel()
        self.shared.table.remove(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.state {
        case .decided(let driver):
            if driver.takesBytes(self.unwrapInboundIn(data)) { context.fireChannelRead(data) }
        case .undecided(var bytes):
            var new = self.unwrapInboundIn(data)
            bytes.writeBuffer(&new)
            let view = bytes.readableBytesView
            if view.starts(with: Self.preface) {
                self.decide(http2: true, context: context, bytes: bytes)
            } else if Self.preface.starts(with: view) {
                self.state = .undecided(bytes)
            } else {
                self.decide(http2: false, context: context, bytes: bytes)
            }
        case .handshaking, .closed:
            break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch (event, self.state) {
        case (TLSUserEvent.handshakeCompleted(let negotiated) as TLSUserEvent, .handshaking):
            self.state = .undecided(ByteBuffer())
            if negotiated == "h2" { self.decide(http2: true, context: context, bytes: nil) }
        case (ChannelEvent.inputClosed as ChannelEvent, .undecided(let bytes)):
            if bytes.readableBytes == 0 { return context.close(promise: nil) }
            self.decide(http2: false, context: context, bytes: bytes)
            context.fireUserInboundEventTriggered(event)
        case (ChannelEvent.inputClosed as ChannelEvent, .handshaking):
            context.close(promise: nil)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func flush(context: ChannelHandlerContext) {
        guard self.collectsFlushes else { return context.flush() }
        guard !self.isFlushing else { return }
        self.isFlushing = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushing = false
            context.flush()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch self.state {
        case .decided: context.fireErrorCaught(error)
        case .handshaking, .undecided, .closed: context.close(promise: nil)
        }
    }

    /// The version is known: has the rest of the connection handled by it, beginning with `bytes`.
    private func decide(http2: Bool, context: ChannelHandlerContext, bytes: ByteBuffer?) {
        self.timer?.cancel()
        self.timer = nil
        do {
            let driver: any ConnectionDriver =
                if http2 { try HTTP2Connection.add(to: self) } else { try HTTP1Connection.add(to: self) }
            self.state = .decided(driver)
            self.collectsFlushes = http2
            guard let bytes else { return }
            if driver.takesBytes(bytes) { context.fireChannelRead(self.wrapInboundOut(bytes)) }
        } catch {
            context.close(promise: nil)
        }
    }

    /// Sends bytes past the parser.
    func send(_ bytes: [UInt8]) {
        guard let context = try? self.channel.pipeline.syncOperations.context(handler: self) else { return }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
    }

    private func firstBytesAreLate() {
        self.timer = nil
        guard case .undecided(let bytes) = self.state, bytes.readableBytes > 0,
            let context = try? self.channel.pipeline.syncOperations.context(handler: self)
        else { return self.channel.close(promise: nil) }
        // What has come is the beginning of a request, and is answered as such.
        self.decide(http2: false, context: context, bytes: bytes)
        context.fireChannelReadComplete()
    }

    // MARK: - From other threads

    /// Closes the connection if nothing is being answered on it, even within a head.
    func evict() {
        self.channel.eventLoop.execute {
            switch self.state {
            case .decided(let driver): driver.closeIfIdle()
            case .handshaking, .undecided, .closed: self.channel.close(promise: nil)
            }
        }
    }

    /// Leaves what comes from here on in the socket; unless it is thrown away, since a reset could destroy what was answered.
    func stopReading() {
        self.channel.eventLoop.execute {
            if case .decided(let driver) = self.state {
                if driver.isLingering { return }
                driver.readsNoMore()
            }
            self.channel.setOption(.autoRead, value: false).whenComplete { _ in }
        }
    }

    /// There is a new phase. A connection that has said nothing yet stays: its first request may be on its way, and is
    /// to get an answer.
    func entered(_ phase: Phase) {
        self.channel.eventLoop.execute {
            if case .decided(let driver) = self.state { driver.entered(phase) }
        }
    }
}

// MARK: - Requests

extension ServerConnection {
    /// Who answers a request, by its head alone.
    enum Reception {
        case probe(ProbeRequest)
        case metrics(MetricsPages.Question)
        case application(expectsContinue: Bool)
        case refusal(Refusal)
    }

    func reception(of head: HTTPRequestHead) -> Reception {
        guard head.uri.utf8.count <= ConnectionLimits.maxLineSize else { return .refusal(.uriTooLong) }
        // The HTTP/1.1 parser has counted them.
        guard head.version.major < 2 || Self.size(of: head.headers) <= self.shared.limits.maxHeaderSize else {
            return .refusal(.headersTooLarge)
        }
        guard RequestSyntax.isTarget(head.uri, of: head.method),
            head.headers.first(name: "host").map(RequestSyntax.isHost) ?? (head.version == .http1_0)
        else { return .refusal(.badRequest) }
        if var probe = ProbeRequest(target: head.uri), self.endpoint.answers(probe.probe),
            self.mayAsk(probe.probe, head.headers)
        {
            if probe.isNegotiable { probe.accept(head.headers["accept"]) }
            return .probe(probe)
        }
        if self.shared.telemetry.pages != nil, self.endpoint.showsDetails, Self.isMetrics(head.uri),
            self.mayLook(head.headers)
        {
            return .metrics(MetricsPages.Question(head.headers))
        }
        guard self.endpoint.kind == .main || head.uri == "/log-level" else { return .refusal(.notFound) }
        guard case .normal = self.admission else { return .refusal(.tooManyConnections) }
        if let length = head.headers.first(name: "content-length") {
            // One that is no number of ours is longer than anything that we take: the parser has seen digits alone.
            guard let length = Int(length.trimmed), length <= self.shared.limits.maxBodySize else {
                return .refusal(.bodyTooLarge)
            }
        }
        let expectations = head.headers["expect"]
        guard expectations.allSatisfy({ $0.lowercased() == "100-continue" }) else {
            return .refusal(.expectationFailed)
        }
        return .application(expectsContinue: !expectations.isEmpty && head.version != .http1_0)
    }

    /// What the fields would take as lines.
    private static func size(of headers: HTTPHeaders) -> Int {
        headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    /// Whether the client may see this. Where it may not, there is no such path.
    private func mayAsk(_ probe: ProbeRequest.Probe, _ headers: HTTPHeaders) -> Bool {
        !probe.isDetailed || self.mayLook(headers)
    }

    /// Whether the client may see how the server is.
    private func mayLook(_ headers: HTTPHeaders) -> Bool {
        guard let allowed = self.shared.access.health else { return true }
        return self.client(headers)?.isIn(allowed) ?? false
    }

    private static func isMetrics(_ target: String) -> Bool {
        guard target.utf8.first != UInt8(ascii: "/") else {
            return target.utf8.count >= 8 && target.hasPrefix("/metrics")
                && (target.utf8.count == 8 || target.utf8.dropFirst(8).first == UInt8(ascii: "?"))
        }
        // The absolute form (RFC 9112, section 3.2.2), which is what proxies get.
        guard target.lowercased().hasPrefix("http://") || target.lowercased().hasPrefix("https://") else {
            return false
        }
        let authority = target.drop { $0 != ":" }.dropFirst(3)
        return authority.firstIndex(of: "/").map { self.isMetrics(String(authority[$0...])) } ?? false
    }

    /// Who the client is, as far as anybody can be believed; nil if the connection has no address.
    func client(_ headers: HTTPHeaders) -> ClientAddress? {
        guard let peer = self.channel.remoteAddress?.ipAddress.flatMap({ IPAddress($0) }) else { return nil }
        return ClientAddress(
            peer: peer,
            trusting: self.shared.access.trustedProxies,
            headers: ClientAddress.Headers(
                forwarded: headers["forwarded"],
                xForwardedFor: headers["x-forwarded-for"],
                xForwardedProto: headers["x-forwarded-proto"]
            )
        )
    }
}

extension String {
    /// Without the blanks around it, which are no part of a field's value (RFC 9110 §5.5) and which the parser leaves behind.
    fileprivate var trimmed: Substring {
        var text = self[...]
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
