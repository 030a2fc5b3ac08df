// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import MedRuntime
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import NIOPosix
import Synchronization

/// One HTTP/1.1 connection: reads requests, answers probes itself, hands the others to the application one after the
/// other, and ends without losing an answer.
///
///     ┌──────────── answered, keep-alive ────────────┐
///     ▼                                              │
///     waiting ──head──▶ exchanges in order, the first of them being answered
///        │                                           │ answered, last one
///        │ idle or head timeout, eviction, grace     ▼
///        └───────────────▶ closed ◀──EOF or 1 s── lingering
///
/// It is bound to the channel's event loop, so that it works however busy or stuck the task pool is; a request's
/// handler runs in a task of its own, which the connection does not wait for (docs/decisions/0003-connection.md).
/// Lingering: the output is closed first and what the client still sends is thrown away, because closing a socket
/// with unread input resets it, and a reset destroys an answer that the client has not read yet.
final class HTTP1Connection: ChannelDuplexHandler, @unchecked Sendable {
    // Unchecked: all state but the atomic is touched on the channel's event loop alone.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    /// What every connection of a server shares.
    struct Shared: Sendable {
        var probes: Probes
        var lifecycle: Lifecycle
        var table: ConnectionTable
        var loops: EventLoops
        var logger: Logger
        var headerTimeout: TimeAmount
        var idleTimeout: TimeAmount
        var respond: @Sendable (Request, any Channel, EndpointPath) async -> Response
        let date = DateHeader()
    }

    private enum Reading {
        /// Between requests, or within a head; `began` is when its first byte came.
        case head(began: NIODeadline?)
        /// Within the body of the last exchange.
        case body
        /// Nothing more is parsed on this connection.
        case nothing
    }

    private enum State {
        case open
        case lingering(until: NIODeadline)
        case closed
    }

    static let lingerTime = TimeAmount.seconds(1)
    /// CR LF CR LF, which ends a head.
    private static let emptyLine: UInt32 = 0x0d0a_0d0a
    /// A body up to this size leaves with the head in one write.
    static let wholeBodyLimit = 64 * 1024

    /// Nanoseconds of the moment since when no request is being answered; 0 while one is. A new connection counts as
    /// idle only after a second, so that its first request can come before it makes room for another.
    let idleSince = Atomic<UInt64>(0)
    let channel: any Channel
    /// The socket, for the day on which the event loop cannot close it; -1 if the channel has none.
    let descriptor: NIOBSDSocket.Handle

    private let shared: Shared
    private var admission = ConnectionTable.Admission.normal
    private var context: ChannelHandlerContext?
    private var state = State.open
    private var reading = Reading.head(began: nil)
    private var exchanges = CircularBuffer<Exchange>()
    private var waitingSince = NIODeadline.now()
    private var hasHadRequest = false
    /// How long the request line is, as far as it has come; nil once its end was seen.
    private var lineLength: Int?
    private var isInputClosed = false
    private var isHoldingReads = false
    /// Answers that are written and that the socket has not taken yet.
    private var unflushedAnswers = 0
    /// The exchange whose answer was given before the request had come.
    private var earlyAnswered: Exchange?
    /// Whether the last request had no body, so that its bytes ended with an empty line.
    private var lastRequestWasBare = true
    /// The last four bytes that came.
    private var lastBytes: UInt32 = 0
    private var isInRead = false
    private var isPumping = false
    private var needsFlush = false
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?

    init(channel: any Channel, shared: Shared) {
        self.channel = channel
        self.descriptor = (try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable { $0 }) ?? -1
        self.shared = shared
        self.idleSince.store((self.waitingSince + .seconds(1)).uptimeNanoseconds, ordering: .relaxed)
    }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        guard let admission = self.shared.table.add(self) else { return context.close(promise: nil) }
        self.context = context
        self.admission = admission
        self.arm(at: self.waitingSince + self.shared.headerTimeout)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.ended() }

    func channelInactive(context: ChannelHandlerContext) {
        self.ended()
        context.fireChannelInactive()
    }

    /// The connection is gone, and with it whoever wanted the answers: the handlers are cancelled.
    private func ended() {
        if case .closed = self.state { return }
        self.state = .closed
        self.reading = .nothing
        self.context = nil
        self.timer?.task.cancel()
        self.timer = nil
        self.shared.table.remove(self)
        if let earlyAnswered { self.shared.lifecycle.work.end(earlyAnswered) }
        for exchange in self.exchanges {
            if !exchange.isRequestComplete { exchange.body?.fail(RequestBodyIncomplete()) }
            exchange.cancelTask()
            if exchange.isWork, exchange.task == nil { self.shared.lifecycle.work.end(exchange) }
        }
        self.exchanges.removeAll()
    }

    /// Bytes came. False if they are not to be parsed.
    func takesBytes(_ bytes: ByteBuffer) -> Bool {
        for byte in bytes.readableBytesView.suffix(4) { self.lastBytes = self.lastBytes << 8 | UInt32(byte) }
        switch self.reading {
        case .nothing:
            return false
        case .body:
            return true
        case .head(let began):
            if began == nil {
                self.reading = .head(began: .now())
                // Behind a body, the head may have begun in the read before: then its line is not counted from its start.
                self.lineLength = self.lastRequestWasBare ? 0 : nil
            }
            guard let length = self.lineLength else { return true }
            let view = bytes.readableBytesView
            let end = view.firstIndex(of: UInt8(ascii: "\n"))
            let newLength = length + (end.map { $0 - view.startIndex } ?? view.count)
            self.lineLength = end == nil ? newLength : nil
            guard newLength > HTTPServer.maxLineSize else { return true }
            self.refuse(.uriTooLong)
            self.pump(sawAllInput: true)
            return false
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .nothing = self.reading { return }
        self.isInRead = true
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.reading = .body
            self.accept(head)
        case .body(let bytes):
            self.exchanges.last?.body?.append(bytes)
        case .end:
            self.reading = .head(began: nil)
            guard let exchange = self.exchanges.last else { return }
            exchange.isRequestComplete = true
            exchange.body?.finish()
            self.lastRequestWasBare = !exchange.hasBody
            self.pump(sawAllInput: false)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.isInRead = false
        self.pump(sawAllInput: true)
        if self.needsFlush {
            self.needsFlush = false
            self.context?.flush()
        }
        guard case .head(let began) = self.reading else { return }
        if began == nil, self.lastRequestWasBare, self.lastBytes != Self.emptyLine {
            // The read went on after the end of the last request: the next head has begun.
            self.reading = .head(began: .now())
            self.lineLength = nil
        }
        if case .head(let began?) = self.reading, self.isIdle { self.arm(at: began + self.shared.headerTimeout) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else {
            return context.fireUserInboundEventTriggered(event)
        }
        self.isInputClosed = true
        if case .lingering = self.state { return context.close(promise: nil) }
        if self.isIdle { return context.close(promise: nil) }
        if let exchange = self.exchanges.last {
            if !exchange.isRequestComplete { exchange.body?.fail(RequestBodyIncomplete()) }
        }
        self.reading = .nothing
        self.pump(sawAllInput: true)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return context.close(promise: nil) }
        switch self.reading {
        case .nothing:
            return
        case .body:
            self.exchanges.last?.body?.fail(error)
            self.reading = .nothing
        case .head:
            // A client that closed in the middle of a head waits for nothing.
            if error == .invalidEOFState {
                self.reading = .nothing
                if self.isIdle { context.close(promise: nil) }
                return
            }
            self.refuse(error == .headerOverflow ? .headersTooLarge : .badRequest)
        }
        if !self.isInRead { self.pump(sawAllInput: true) }
    }

    // MARK: - Reading at the pace of the answers

    func read(context: ChannelHandlerContext) {
        if self.holdsReads {
            self.isHoldingReads = true
        } else {
            context.read()
        }
    }

    private var holdsReads: Bool {
        guard case .open = self.state else { return false }
        // A client that does not take its answers is not asked for more requests.
        guard self.channel.isWritable else { return true }
        guard let last = self.exchanges.last else { return false }
        return last.isRequestComplete || last.body?.isFull == true
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if self.channel.isWritable {
            self.pump(sawAllInput: !self.isInRead)
            self.resumeReads()
        }
        context.fireChannelWritabilityChanged()
    }

    private func resumeReads() {
        guard self.isHoldingReads, !self.holdsReads else { return }
        self.isHoldingReads = false
        self.context?.read()
    }

    // MARK: - Requests

    private func accept(_ head: HTTPRequestHead) {
        self.hasHadRequest = true
        self.idleSince.store(0, ordering: .relaxed)
        let hasBody =
            head.headers.contains(name: "transfer-encoding")
            || head.headers.first(name: "content-length").map { $0 != "0" } ?? false
        // RFC 9112 §6.1: no other coding is known here, and HTTP/1.0 knows none; whoever sends one may mean another end.
        let codings = head.headers["transfer-encoding"]
        guard
            codings.isEmpty || (codings.count == 1 && codings[0].lowercased() == "chunked" && head.version != .http1_0)
        else { return self.refuse(.badRequest) }
        guard head.uri.utf8.count <= HTTPServer.maxLineSize else { return self.refuse(.uriTooLong) }
        // RFC 9112 §3.2: a request without exactly one Host is refused; HTTP/1.0 knew none.
        let hosts = head.headers["host"]
        guard hosts.count == 1 || (hosts.isEmpty && head.version == .http1_0) else { return self.refuse(.badRequest) }

        // The parser stops after a request that asks for another protocol, so nothing can follow it.
        let leavesHTTP = head.method == .CONNECT || head.headers.contains(name: "upgrade")
        let keepAlive = head.isKeepAlive && !leavesHTTP
        if let probe = ProbeRoute(target: head.uri) {
            let exchange = Exchange(
                kind: .probe(probe),
                connection: self,
                method: head.method,
                version: head.version,
                keepAlive: keepAlive,
                hasBody: hasBody
            )
            self.exchanges.append(exchange)
            return
        }
        guard case .normal = self.admission else { return self.refuse(.tooManyConnections, to: head) }

        var expectsContinue = false
        if let expectation = head.headers.first(name: "expect") {
            guard expectation.lowercased() == "100-continue" else { return self.refuse(.expectationFailed, to: head) }
            expectsContinue = head.version != .http1_0
        }
        let body = hasBody ? RequestBodyFeed.make { self.onLoop { $0.bodyHasRoom() } } : nil
        let exchange = Exchange(
            kind: .application(head, body?.sequence),
            connection: self,
            method: head.method,
            version: head.version,
            keepAlive: keepAlive,
            hasBody: hasBody,
            expectsContinue: expectsContinue,
            body: body?.feed
        )
        guard self.shared.lifecycle.work.admit(exchange) else { return self.refuse(.shuttingDown, to: head) }
        self.exchanges.append(exchange)
    }

    /// Puts a refusal in line. Nothing after it is read.
    private func refuse(_ refusal: Refusal, to head: HTTPRequestHead? = nil) {
        let exchange = Exchange(
            kind: .refusal(refusal),
            connection: self,
            method: head?.method ?? .GET,
            version: head?.version ?? .http1_1,
            keepAlive: false
        )
        self.idleSince.store(0, ordering: .relaxed)
        // After a head that was understood, its end may be in the same read: then the connection need not linger.
        if head == nil { self.reading = .nothing }
        self.exchanges.append(exchange)
    }

    private func bodyHasRoom() {
        self.exchanges.last?.body?.hasRoom()
        self.resumeReads()
    }

    /// Starts the answer to the first exchange, and of those after it that can be answered at once.
    ///
    /// - Parameter sawAllInput: whether what the socket had to give was parsed. Until then the connection does not
    ///   answer a request of which more may be right behind.
    private func pump(sawAllInput: Bool) {
        // An answer that is written at once comes back here; a thousand of them must not nest.
        guard !self.isPumping else { return }
        self.isPumping = true
        defer { self.isPumping = false }
        while let exchange = self.exchanges.first, exchange.response == .none, exchange.task == nil {
            guard exchange.isRequestComplete || sawAllInput, self.channel.isWritable else { return }
            switch exchange.kind {
            case .probe(let route):
                self.answer(exchange, probe: route)
            case .refusal(let refusal):
                self.answer(exchange, refusal: refusal)
            case .application(let head, let sequence):
                self.start(exchange, head: head, body: sequence)
            }
        }
    }

    private func start(_ exchange: Exchange, head: HTTPRequestHead, body: RequestBodyFeed.Sequence?) {
        let request: Request
        do {
            let body = body.map { RequestBody(asyncSequence: $0) } ?? RequestBody(buffer: ByteBuffer())
            request = Request(head: try HTTPRequest(fast: head), body: body)
        } catch {
            self.shared.lifecycle.work.end(exchange)
            return self.answer(exchange, refusal: .badRequest)
        }
        if exchange.expectsContinue, !exchange.isRequestComplete {
            self.write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
            self.flush()
        }
        exchange.task = Lifecycle.insideWork(
            exchange,
            starting: {
                Task {
                    let response = await self.shared.respond(request, self.channel, exchange.route)
                    await self.send(response, for: exchange)
                }
            })
        if exchange.isCancelled { exchange.cancelTask() }
    }

    /// The shutdown's grace is over for this request.
    func cancel(_ exchange: Exchange) { self.onLoop { $0.endEarly(exchange) } }

    private func endEarly(_ exchange: Exchange) {
        exchange.isCancelled = true
        exchange.cancelTask()
        // A client that does not take its answer would hold the shutdown up to the deadline.
        let isStalled =
            switch exchange.response {
            case .none: exchange.task == nil && !self.channel.isWritable
            case .streaming: !self.channel.isWritable
            case .ended: true
            }
        if isStalled { self.context?.close(promise: nil) }
    }

    /// The handler of this request has trapped: the client is told, and the connection ends. `done` is called when nothing
    /// is left to do for the request.
    func lose(_ exchange: Exchange, done: @escaping @Sendable () -> Void) {
        // A lost loop closes its connections in its own way.
        guard !self.shared.loops.isLost(self.channel.eventLoop) else { return done() }
        self.onLoop { connection in
            // A second task of the request may have trapped: the first one's answer may still be on its way.
            guard !exchange.isLost else { return }
            exchange.isLost = true
            // Other tasks of the same request may go on; nobody waits for them any more.
            defer { exchange.cancelTask() }
            guard let context = connection.context, exchange.response != .ended else { return done() }
            if exchange.response == .none {
                let id = ErrorID.make()
                connection.shared.logger.error(
                    "Request failed",
                    metadata: [
                        "error.id": "\(id)", "error.type": "runtime trap",
                        "http.request.method": "\(exchange.method.rawValue)", "http.route": "\(exchange.route.pattern)",
                    ]
                )
                connection.finish(exchange, status: .internalServerError, headers: [:], error: "internal", id: id)
            } else {
                context.close(promise: nil)
                done()
            }
        }
    }

    // MARK: - Answers

    private func answer(_ exchange: Exchange, probe: ProbeRoute) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(6)
        guard exchange.method == .GET || exchange.method == .HEAD else {
            headers.add(name: "Allow", value: "GET, HEAD")
            headers.add(name: "Cache-Control", value: "no-store")
            return self.finish(exchange, status: .methodNotAllowed, headers: headers, error: "method_not_allowed")
        }
        let answer = self.shared.probes.answer(to: probe)
        headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
        headers.add(name: "Cache-Control", value: "no-store")
        self.finish(
            exchange,
            status: HTTPResponseStatus(statusCode: answer.status),
            headers: headers,
            body: ByteBuffer(bytes: answer.body)
        )
    }

    private func answer(_ exchange: Exchange, refusal: Refusal) {
        var headers = HTTPHeaders()
        if let seconds = refusal.retryAfter { headers.add(name: "Retry-After", value: String(seconds)) }
        self.finish(exchange, status: refusal.status, headers: headers, error: refusal.code)
    }

    private func finish(
        _ exchange: Exchange,
        status: HTTPResponseStatus,
        headers: HTTPHeaders,
        error: String,
        id: String? = nil
    ) {
        var headers = headers
        headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
        self.finish(exchange, status: status, headers: headers, body: ErrorBody.json(error, id: id))
    }

    /// Writes a whole answer.
    private func finish(_ exchange: Exchange, status: HTTPResponseStatus, headers: HTTPHeaders, body: ByteBuffer) {
        let closes = self.closes(after: exchange)
        var headers = headers
        if !headers.contains(name: "content-length") {
            headers.add(name: "Content-Length", value: String(body.readableBytes))
        }
        self.writeHead(status: status, headers: headers, of: exchange, closes: closes)
        if exchange.method != .HEAD, body.readableBytes > 0 { self.write(.body(.byteBuffer(body))) }
        self.writeEnd(of: exchange, closes: closes)
    }

    private func writeHead(status: HTTPResponseStatus, headers: HTTPHeaders, of exchange: Exchange, closes: Bool) {
        var headers = headers
        headers.replaceOrAdd(name: "Date", value: self.shared.date.value)
        if closes {
            headers.replaceOrAdd(name: "Connection", value: "close")
        } else if exchange.version == .http1_0 {
            headers.replaceOrAdd(name: "Connection", value: "keep-alive")
        }
        // The version decides whether the encoder may use chunks, which HTTP/1.0 does not know.
        self.write(.head(HTTPResponseHead(version: exchange.version, status: status, headers: headers)))
    }

    private func writeEnd(of exchange: Exchange, closes: Bool) {
        exchange.response = .ended
        self.exchanges.removeFirst()
        guard let context = self.context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        self.unflushedAnswers += 1
        if !exchange.isRequestComplete {
            // Until the client has stopped sending, a reset could destroy the answer: the exit waits for that.
            if !exchange.isWork { self.shared.lifecycle.work.begin(exchange) }
            self.earlyAnswered = exchange
        }
        promise.futureResult.whenComplete { _ in
            self.unflushedAnswers -= 1
            if exchange.isWork, exchange.isRequestComplete { self.shared.lifecycle.work.end(exchange) }
            if closes {
                self.linger()
            } else if self.isIdle {
                self.becomeIdle()
            }
        }
        context.write(self.wrapOutboundOut(.end(nil)), promise: promise)
        if exchange.isCancelled { self.limitFlush(promise.futureResult) }
        if closes { self.stopReading() }
        self.flush()
        self.resumeReads()
        if !self.isInRead { self.pump(sawAllInput: true) }
    }

    /// Whether nothing is asked and nothing is being answered, to the last byte.
    private var isIdle: Bool {
        guard case .open = self.state else { return false }
        return self.exchanges.isEmpty && self.unflushedAnswers == 0
    }

    private func becomeIdle() {
        self.waitingSince = .now()
        self.idleSince.store(self.waitingSince.uptimeNanoseconds, ordering: .relaxed)
        self.arm(at: self.waitingSince + self.shared.idleTimeout)
        if self.isInputClosed {
            self.context?.close(promise: nil)
            return
        }
        // The grace may have begun while the client took its time with this answer.
        if self.shared.lifecycle.phase.rawValue >= Phase.finishing.rawValue { self.endIfKept() }
    }

    /// In the last phase of a shutdown, a client has no more than a moment to take its answer.
    private func limitFlush(_ flushed: EventLoopFuture<Void>) {
        let timer = flushed.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerTime) {
            self.context?.close(promise: nil)
        }
        flushed.whenComplete { _ in timer.cancel() }
    }

    /// Whether the connection ends with the answer to this exchange, as far as is known when its head is written.
    private func closes(after exchange: Exchange) -> Bool {
        if !exchange.keepAlive || !exchange.isRequestComplete { return true }
        if case .reserve = self.admission { return true }
        // What was parsed behind it was in flight as well, and is answered.
        guard self.exchanges.count == 1 else { return false }
        return exchange.isLost || self.isInputClosed || self.shared.lifecycle.phase.isShuttingDown
    }

    /// Gives up on what comes after the exchange that closes the connection.
    private func stopReading() {
        self.reading = .nothing
        for exchange in self.exchanges {
            exchange.body?.fail(RequestBodyIncomplete())
            if exchange.isWork { self.shared.lifecycle.work.end(exchange) }
        }
        self.exchanges.removeAll()
    }

    private func linger() {
        guard case .open = self.state, let context = self.context else { return }
        if self.isInputClosed { return context.close(promise: nil) }
        let until = NIODeadline.now() + Self.lingerTime
        self.state = .lingering(until: until)
        context.close(mode: .output, promise: nil)
        self.arm(at: until)
        self.resumeReads()
    }

    // MARK: - Answers of the application

    /// Sends the application's answer. Called in the request's task.
    private func send(_ response: Response, for exchange: Exchange) async {
        let head = HTTPResponseHead(response.head)
        if let length = response.body.contentLength, length <= Self.wholeBodyLimit {
            let writer = CollectingWriter()
            do {
                if length > 0 { try await response.body.write(writer) }
            } catch {
                return self.onLoop { $0.abandon(exchange) }
            }
            let body = writer.bytes
            return self.onLoop { $0.sendWhole(head, body, for: exchange) }
        }
        do {
            try await self.beginBody(head, of: exchange).get()
            if exchange.method == .HEAD {
                try await self.endBody(of: exchange).get()
            } else {
                try await response.body.write(StreamingWriter(connection: self, exchange: exchange))
            }
            self.onLoop { if exchange.response != .ended { $0.abandon(exchange) } }
        } catch {
            self.onLoop { $0.abandon(exchange) }
        }
    }

    private func sendWhole(_ head: HTTPResponseHead, _ body: ByteBuffer, for exchange: Exchange) {
        guard !exchange.isLost else { return }
        guard self.context != nil else { return self.shared.lifecycle.work.end(exchange) }
        self.finish(exchange, status: head.status, headers: head.headers, body: body)
    }

    /// The answer cannot be finished: the client sees that it is cut off.
    private func abandon(_ exchange: Exchange) {
        guard !exchange.isLost else { return }
        self.shared.lifecycle.work.end(exchange)
        if exchange.response != .ended { self.context?.close(promise: nil) }
    }

    private func beginBody(_ head: HTTPResponseHead, of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            exchange.response = .streaming
            // HTTP/1.0 knows the end of such a body by the end of the connection.
            let closes = self.closes(after: exchange) || exchange.version == .http1_0
            self.writeHead(status: head.status, headers: head.headers, of: exchange, closes: closes)
            exchange.announcedClose = closes
            context.flush()
            return context.eventLoop.makeSucceededVoidFuture()
        }
    }

    /// Writes a part of a body. The future ends when the socket has taken it.
    func writeBody(_ bytes: ByteBuffer, of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            let promise = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(bytes))), promise: promise)
            return promise.futureResult
        }
    }

    /// Ends a body.
    func endBody(of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            // The shutdown may have begun after the head: then nobody was told, but the connection ends all the same.
            self.writeEnd(of: exchange, closes: exchange.announcedClose || self.closes(after: exchange))
            return context.eventLoop.makeSucceededVoidFuture()
        }
    }

    private var gone: EventLoopFuture<Void> {
        self.channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }

    private func write(_ part: HTTPServerResponsePart) {
        self.context?.write(self.wrapOutboundOut(part), promise: nil)
    }

    private func flush() {
        if self.isInRead {
            self.needsFlush = true
        } else {
            self.context?.flush()
        }
    }

    private func onLoop(_ body: @escaping @Sendable (HTTP1Connection) -> Void) {
        self.channel.eventLoop.execute { body(self) }
    }

    // MARK: - Timeouts and endings

    /// Sees to it that ``timeIsUp()`` is called at `deadline` or before.
    private func arm(at deadline: NIODeadline) {
        guard let context = self.context else { return }
        if let timer, timer.at <= deadline { return }
        self.timer?.task.cancel()
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.timeIsUp() }
        self.timer = (deadline, task)
    }

    private func timeIsUp() {
        self.timer = nil
        let deadline: NIODeadline
        switch (self.state, self.reading) {
        case (.closed, _):
            return
        case (.lingering(let until), _):
            deadline = until
        case (.open, .head(let began)) where self.isIdle:
            if let began {
                deadline = began + self.shared.headerTimeout
            } else {
                deadline =
                    self.waitingSince + (self.hasHadRequest ? self.shared.idleTimeout : self.shared.headerTimeout)
            }
        case (.open, _):
            // A request is being answered; the end of the answer arms the next timer.
            return
        }
        guard NIODeadline.now() >= deadline else { return self.arm(at: deadline) }
        if case .open = self.state, case .head(.some) = self.reading {
            self.refuse(.requestTimeout)
            self.pump(sawAllInput: true)
        } else {
            self.context?.close(promise: nil)
        }
    }

    /// No request is accepted any more: closes a connection that waits for its next one.
    ///
    /// One that has not had any stays: its first request may be on its way, and is to get an answer. A next request may
    /// be on its way too, but a client must be ready to see a kept connection closed instead (RFC 9112 §9.3.1).
    func closeIfKept() { self.onLoop { $0.endIfKept() } }

    private func endIfKept() {
        guard self.isIdle, self.hasHadRequest, case .head(.none) = self.reading else { return }
        self.reading = .nothing
        self.linger()
    }

    /// Closes the connection if nothing is being answered on it, even within a head.
    func evict() {
        self.onLoop { connection in
            if connection.isIdle { connection.context?.close(promise: nil) }
        }
    }
}

extension HTTPRequest {
    /// The request that a parsed head describes.
    fileprivate init(fast head: HTTPRequestHead) throws {
        guard head.uri.utf8.first == UInt8(ascii: "/") else {
            // `*`, an absolute URL or an authority: rare, and worth a real URL parser.
            self = try HTTPRequest(head, secure: false, splitCookie: false)
            return
        }
        self.init(
            method: try HTTPRequest.Method(head.method),
            scheme: "http",
            authority: head.headers.first(name: "host"),
            path: head.uri,
            headerFields: HTTPFields(head.headers, splitCookie: false)
        )
    }
}
