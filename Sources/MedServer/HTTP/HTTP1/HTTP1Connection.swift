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
final class HTTP1Connection: ChannelDuplexHandler, ConnectionDriver, ExchangeCarrier, @unchecked Sendable {
    // Unchecked: all state is touched on the channel's event loop alone.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

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

    /// How many bytes of chunk framing are taken for a byte of a body; the smallest chunk needs six for one.
    private static let framing = 16
    /// CR LF CR LF, which ends a head.
    private static let emptyLine: UInt32 = 0x0d0a_0d0a

    let connection: ServerConnection
    private var context: ChannelHandlerContext?
    private var state = State.open
    private var reading = Reading.head(began: nil)
    private var exchanges = CircularBuffer<Exchange>()
    private var waitingSince: NIODeadline
    private var requests = 0
    /// How long the request line is, as far as it has come; nil once its end was seen.
    private var lineLength: Int?
    private var isInputClosed = false
    private var isHoldingReads = false
    /// Answers that are written and that the socket has not taken yet.
    private var unflushedAnswers = 0
    /// The bytes of the present body as they came, framing and all.
    private var framedBytes = 0
    private var untaken = UntakenAnswer()
    /// Whether the last answer was given before the request had come.
    private var hasAnsweredEarly = false
    /// Whether the last request had no body, so that its bytes ended with an empty line.
    private var lastRequestWasBare = true
    /// The last four bytes that came.
    private var lastBytes: UInt32 = 0
    private var isInRead = false
    private var isPumping = false
    private var needsFlush = false
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?

    /// Has a connection speak HTTP/1.1 from here on.
    static func add(to connection: ServerConnection) throws -> HTTP1Connection {
        let new = HTTP1Connection(connection: connection)
        let maxHeaderSize = connection.shared.limits.maxHeaderSize
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = maxHeaderSize
        limits.maxHeaderListSize = maxHeaderSize
        // The shortest field is `a:`, CR, LF: the size is the limit, not the number.
        limits.maxHeaderFieldCount = maxHeaderSize / 4
        try connection.channel.pipeline.syncOperations.addHandlers(
            HTTPResponseEncoder(),
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)),
            new
        )
        return new
    }

    private init(connection: ServerConnection) {
        self.connection = connection
        self.waitingSince = connection.openedAt
    }

    var channel: any Channel { self.connection.channel }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.arm(at: self.waitingSince + self.shared.limits.headerTimeout)
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
        if self.hasAnsweredEarly { self.shared.table.earlyAnswerIsOver() }
        for exchange in self.exchanges {
            if !exchange.isRequestComplete { exchange.body?.fail(RequestBodyIncomplete()) }
            exchange.cancelTask()
            exchange.report(delivered: false)
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
            self.framedBytes += bytes.readableBytes
            return true
        case .head(let began):
            if began == nil {
                // RFC 9112 §2.2 lets an empty line pass before a head, and a CR means a line's end only with its LF.
                if bytes.readableBytesView.starts(with: [UInt8(ascii: "\r")]),
                    bytes.readableBytesView.dropFirst().first.map({ $0 != UInt8(ascii: "\n") }) ?? false
                {
                    self.refuse(.badRequest)
                    self.pump(sawAllInput: true)
                    return false
                }
                self.reading = .head(began: .now())
                // Behind a body, the head may have begun in the read before: then its line is not counted from its start.
                self.lineLength = self.lastRequestWasBare ? 0 : nil
            }
            guard let length = self.lineLength else { return true }
            let view = bytes.readableBytesView
            let end = view.firstIndex(of: UInt8(ascii: "\n"))
            let newLength = length + (end.map { $0 - view.startIndex } ?? view.count)
            self.lineLength = end == nil ? newLength : nil
            guard newLength > ConnectionLimits.maxLineSize else { return true }
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
            self.framedBytes = 0
            self.accept(head)
        case .body(let bytes):
            self.exchanges.last?.receive(bytes, limit: self.shared.limits.maxBodySize)
        case .end(let trailers):
            self.reading = .head(began: nil)
            guard let exchange = self.exchanges.last else { return }
            // The parser takes it for the head's, and would parse nothing after it.
            if trailers?.contains(name: "connection") == true { exchange.keepAlive = false }
            exchange.isRequestComplete = true
            exchange.body?.finish()
            // Its answer begins when the whole read was parsed: what came with it is in flight as well then, whatever it does.
            self.lastRequestWasBare = !exchange.hasBody
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.isInRead = false
        self.pump(sawAllInput: true)
        if self.needsFlush {
            self.needsFlush = false
            self.context?.flush()
            self.armForAnswer()
        }
        if case .body = self.reading {
            if self.framedBytes > ConnectionLimits.maxLineSize + Self.framing * (self.exchanges.last?.bodySize ?? 0) {
                self.exchanges.last?.failBody(RequestBodyIncomplete())
                self.reading = .nothing
            }
            return self.armForBody()
        }
        guard case .head(let began) = self.reading else { return }
        if began == nil, self.lastRequestWasBare, self.lastBytes != Self.emptyLine {
            // The read went on after the end of the last request: the next head has begun.
            self.reading = .head(began: .now())
            self.lineLength = nil
        }
        if case .head(let began?) = self.reading, self.isIdle { self.arm(at: began + self.shared.limits.headerTimeout) }
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
            self.exchanges.last?.pace?.hold(now: .now())
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
        self.exchanges.last?.pace?.resume(now: .now())
        self.armForBody()
        self.context?.read()
    }

    // MARK: - Requests

    private func accept(_ head: HTTPRequestHead) {
        self.requests += 1
        self.connection.isBusy()
        let hasBody =
            head.headers.contains(name: "transfer-encoding")
            || head.headers.first(name: "content-length").map { $0 != "0" } ?? false
        // RFC 9112 §6.1: no other coding is known here, and HTTP/1.0 knows none; whoever sends one may mean another end.
        let codings = head.headers["transfer-encoding"]
        guard
            codings.isEmpty || (codings.count == 1 && codings[0].lowercased() == "chunked" && head.version != .http1_0)
        else { return self.refuse(.badRequest) }
        // RFC 9112 §3.2: a request without exactly one Host is refused; HTTP/1.0 knew none.
        let hosts = head.headers["host"]
        guard hosts.count == 1 || (hosts.isEmpty && head.version == .http1_0) else { return self.refuse(.badRequest) }

        // The parser stops after a request that asks for another protocol, so nothing can follow it.
        let leavesHTTP = head.method == .CONNECT || head.headers.contains(name: "upgrade")
        let keepAlive = head.isKeepAlive && !leavesHTTP
        switch self.connection.reception(of: head) {
        case .refusal(let refusal):
            self.refuse(refusal, to: head)
        case .probe(let probe): self.append(.probe(probe), head, keepAlive: keepAlive, hasBody: hasBody)
        case .metrics(let question): self.append(.metrics(question), head, keepAlive: keepAlive, hasBody: hasBody)
        case .application(let expectsContinue):
            let body = hasBody ? RequestBodyFeed.make { self.onLoop { $0.bodyHasRoom() } } : nil
            let exchange = Exchange(
                kind: .application(head, body?.sequence),
                carrier: self,
                method: head.method,
                version: head.version,
                headers: head.headers,
                keepAlive: keepAlive,
                hasBody: hasBody,
                expectsContinue: expectsContinue,
                body: body?.feed
            )
            if hasBody { exchange.pace = BodyPace(timeout: self.shared.limits.bodyTimeout, now: .now()) }
            guard self.shared.lifecycle.work.admit(exchange) else { return self.refuse(.shuttingDown, to: head) }
            self.exchanges.append(exchange)
        }
    }

    /// Puts a question about the server in line.
    private func append(_ kind: Exchange.Kind, _ head: HTTPRequestHead, keepAlive: Bool, hasBody: Bool) {
        self.exchanges.append(
            Exchange(
                kind: kind, carrier: self, method: head.method, version: head.version, keepAlive: keepAlive,
                hasBody: hasBody))
    }

    /// Puts a refusal in line. Nothing after it is read.
    private func refuse(_ refusal: Refusal, to head: HTTPRequestHead? = nil) {
        let exchange = Exchange(
            kind: .refusal(refusal),
            carrier: self,
            // Of what was not understood, nobody knows the method.
            method: head?.method ?? .RAW(value: "_OTHER"),
            version: head?.version ?? .http1_1,
            headers: head?.headers,
            keepAlive: false
        )
        self.connection.isBusy()
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
        while let exchange = self.exchanges.first, exchange.response == .none, exchange.task == nil,
            !exchange.isBeingWritten
        {
            guard exchange.isRequestComplete || sawAllInput, self.channel.isWritable else { return }
            switch exchange.kind {
            case .probe(let route):
                self.answer(exchange, probe: route)
            case .metrics(let question):
                self.answer(exchange, metrics: question)
            case .refusal(let refusal):
                self.answer(exchange, refusal: refusal)
            case .application(let head, let sequence):
                self.start(exchange, head: head, body: sequence)
            }
        }
    }

    func writeContinue() {
        self.write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
        self.flush()
    }

    func cancel(_ exchange: Exchange) { self.onLoop { $0.endEarly(exchange) } }

    private func endEarly(_ exchange: Exchange) {
        exchange.isCancelled = true
        exchange.cancelTask()
        // A client that does not take its answer would hold the shutdown up to the deadline.
        let isStalled =
            switch exchange.response {
            case .none: exchange.task == nil && !self.channel.isWritable
            case .streaming: !self.channel.isWritable
            // One that has taken it has the second of the lingering.
            case .ended: self.unflushedAnswers > 0
            }
        if isStalled { self.context?.close(promise: nil) } else { self.armForAnswer() }
    }

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
                connection.answerLost(exchange)
            } else {
                exchange.isCutOff = true
                context.close(promise: nil)
                done()
            }
        }
    }

    // MARK: - Answers

    /// Writes a whole answer.
    func finish(_ exchange: Exchange, status: HTTPResponseStatus, headers: HTTPHeaders, body: ByteBuffer) {
        let closes = self.closes(after: exchange)
        var headers = headers
        if !headers.contains(name: "content-length") {
            headers.add(name: "Content-Length", value: String(body.readableBytes))
        }
        self.writeHead(status: status, headers: headers, of: exchange, closes: closes)
        if exchange.method != .HEAD, body.readableBytes > 0 {
            exchange.sentSize += body.readableBytes
            self.write(.body(.byteBuffer(body)))
        }
        self.writeEnd(of: exchange, closes: closes)
    }

    private func writeHead(status: HTTPResponseStatus, headers: HTTPHeaders, of exchange: Exchange, closes: Bool) {
        var headers = headers
        headers.replaceOrAdd(name: "Date", value: self.shared.date.value)
        exchange.begin(status, headers: &headers)
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
        guard let context = self.context else { return exchange.report(delivered: false) }
        let promise = context.eventLoop.makePromise(of: Void.self)
        self.unflushedAnswers += 1
        self.untaken.began(now: .now())
        if !exchange.isRequestComplete {
            self.hasAnsweredEarly = true
            self.shared.table.answersEarly()
        }
        promise.futureResult.whenComplete { result in
            exchange.report(delivered: (try? result.get()) != nil)
            self.unflushedAnswers -= 1
            self.untaken.ended(now: .now())
            if exchange.isWork { self.shared.lifecycle.work.end(exchange) }
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
        self.connection.isIdle(since: self.waitingSince)
        self.arm(at: self.waitingSince + self.shared.limits.idleTimeout)
        if self.isInputClosed {
            self.context?.close(promise: nil)
            return
        }
        // The grace may have begun while the client took its time with this answer.
        self.entered(self.shared.lifecycle.phase)
    }

    /// In the last phase of a shutdown, a client has no more than a moment to take its answer.
    private func limitFlush(_ flushed: EventLoopFuture<Void>) {
        let timer = flushed.eventLoop.assumeIsolated().scheduleTask(in: ConnectionLimits.lingerTime) {
            self.context?.close(promise: nil)
        }
        flushed.whenComplete { _ in timer.cancel() }
    }

    /// Whether the connection ends with the answer to this exchange, as far as is known when its head is written.
    private func closes(after exchange: Exchange) -> Bool {
        if !exchange.keepAlive || !exchange.isRequestComplete { return true }
        if case .reserve = self.connection.admission { return true }
        // What was parsed behind it was in flight as well, and is answered.
        guard self.exchanges.count == 1 else { return false }
        if let limit = self.shared.limits.maxRequests, self.requests >= limit { return true }
        return exchange.isLost || self.isInputClosed || self.endsSoon
    }

    /// Whether a shutdown asks clients to go elsewhere; the port for management stays as it is to the end.
    private var endsSoon: Bool {
        self.connection.endpoint.kind == .main && self.shared.lifecycle.phase.isShuttingDown
    }

    /// Gives up on what comes after the exchange that closes the connection.
    private func stopReading() {
        self.reading = .nothing
        for exchange in self.exchanges {
            exchange.body?.fail(RequestBodyIncomplete())
            exchange.report(delivered: false)
            if exchange.isWork { self.shared.lifecycle.work.end(exchange) }
        }
        self.exchanges.removeAll()
    }

    private func linger() {
        guard case .open = self.state, let context = self.context else { return }
        if self.isInputClosed { return context.close(promise: nil) }
        let until = NIODeadline.now() + ConnectionLimits.lingerTime
        self.state = .lingering(until: until)
        context.close(mode: .output, promise: nil)
        self.arm(at: until)
        self.resumeReads()
    }

    // MARK: - Answers of the application

    func sendWhole(_ head: HTTPResponseHead, _ body: ByteBuffer, for exchange: Exchange) {
        self.onLoop { connection in
            guard !exchange.isLost else { return }
            guard connection.context != nil else { return connection.shared.lifecycle.work.end(exchange) }
            connection.finish(exchange, status: head.status, headers: head.headers, body: body)
        }
    }

    func abandon(_ exchange: Exchange) {
        self.onLoop { connection in
            guard !exchange.isLost, exchange.response != .ended else { return }
            connection.shared.lifecycle.work.end(exchange)
            // If the connection is gone already, it was the client who left.
            exchange.isCutOff = true
            connection.context?.close(promise: nil)
        }
    }

    func beginBody(_ head: HTTPResponseHead, of exchange: Exchange) -> EventLoopFuture<Void> {
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

    func writeBody(_ bytes: ByteBuffer, of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            let promise = context.eventLoop.makePromise(of: Void.self)
            self.untaken.began(now: .now())
            promise.futureResult.assumeIsolated().whenComplete { _ in self.untaken.ended(now: .now()) }
            exchange.sentSize += bytes.readableBytes
            context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(bytes))), promise: promise)
            self.armForAnswer()
            return promise.futureResult
        }
    }

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
            self.armForAnswer()
        }
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

    private func armForBody() {
        if let deadline = self.exchanges.last?.bodyDeadline { self.arm(at: deadline) }
    }

    /// How long a client may take nothing of its answer: in the last phases of a shutdown no more than a moment.
    private var takingTime: TimeAmount {
        self.exchanges.first?.isCancelled == true ? ConnectionLimits.lingerTime : self.shared.limits.bodyTimeout
    }

    /// Called after a flush, when most of what was written has left.
    private func armForAnswer() {
        if let since = self.untaken.since { self.arm(at: since + self.takingTime) }
    }

    private func timeIsUp() {
        self.timer = nil
        let now = NIODeadline.now()
        switch self.state {
        case .closed:
            return
        case .lingering(let until):
            if now < until { return self.arm(at: until) }
            self.context?.close(promise: nil)
            return
        case .open:
            break
        }
        if case .head(let began) = self.reading, self.isIdle {
            let limits = self.shared.limits
            let deadline =
                began.map { $0 + limits.headerTimeout }
                ?? self.waitingSince + (self.requests > 0 ? limits.idleTimeout : limits.headerTimeout)
            if now < deadline { return self.arm(at: deadline) }
            guard began != nil else {
                self.context?.close(promise: nil)
                return
            }
            self.refuse(.requestTimeout)
            self.pump(sawAllInput: true)
            return
        }
        if let since = self.untaken.since {
            let deadline = since + self.takingTime
            if now >= deadline, !self.untaken.hasMoved(in: self.channel, now: now) {
                self.context?.close(promise: nil)
                return
            }
            self.armForAnswer()
        }
        guard let exchange = self.exchanges.last, let deadline = exchange.bodyDeadline else { return }
        if now < deadline { return self.arm(at: deadline) }
        if exchange.response == .none {
            exchange.failBody(RequestBodyTimedOut())
            self.reading = .nothing
        } else {
            self.context?.close(promise: nil)
        }
    }

    func entered(_ phase: Phase) {
        if phase.refusesWork, self.connection.endpoint.kind == .main { self.endIfKept() }
    }

    /// No request is accepted any more: closes a connection that waits for its next one.
    ///
    /// One that has not had any stays: its first request may be on its way, and is to get an answer. A next request may
    /// be on its way too, but a client must be ready to see a kept connection closed instead (RFC 9112 §9.3.1).
    private func endIfKept() {
        guard self.isIdle, self.requests > 0, case .head(.none) = self.reading else { return }
        self.reading = .nothing
        self.linger()
    }

    func closeIfIdle() {
        if self.isIdle { self.context?.close(promise: nil) }
    }

    /// The reset that the exit brings says it.
    func readsNoMore() {}

    var isLingering: Bool { if case .lingering = self.state { true } else { false } }
}
