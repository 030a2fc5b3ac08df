// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import NIOCore
import NIOHTTP1
import NIOHTTP2

/// One request and its answer on an HTTP/2 connection.
///
/// Like ``HTTP1Connection`` it is bound to the event loop, and answers probes itself.
final class HTTP2Stream: ChannelDuplexHandler, ExchangeCarrier, @unchecked Sendable {
    // Unchecked: all state is touched on the channel's event loop alone.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    let channel: any Channel
    let connection: ServerConnection
    private var context: ChannelHandlerContext?
    private var exchange: Exchange?
    /// Whether its answer is to begin when as much of the request as is there was read.
    private var isUnanswered = false
    /// The body for the handler, made when the first of it comes.
    private var body: RequestBodyFeed.Sequence?
    private var isHoldingReads = false
    /// Whether the answer was given before the request had come.
    private var hasAnsweredEarly = false
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?
    private var untaken = UntakenAnswer()

    static func add(to stream: any Channel, of connection: HTTP2Connection) throws {
        try stream.pipeline.syncOperations.addHandlers(
            HTTP2FramePayloadToHTTP1ServerCodec(),
            HTTP2Stream(channel: stream, connection: connection.connection)
        )
    }

    private init(channel: any Channel, connection: ServerConnection) {
        self.channel = channel
        self.connection = connection
    }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.ended() }

    func channelInactive(context: ChannelHandlerContext) {
        self.ended()
        context.fireChannelInactive()
    }

    /// The stream is gone, and with it whoever wanted the answer: the handler is cancelled.
    private func ended() {
        guard self.context != nil else { return }
        self.context = nil
        self.timer?.task.cancel()
        self.timer = nil
        if self.hasAnsweredEarly { self.shared.table.earlyAnswerIsOver() }
        guard let exchange = self.exchange, exchange.response != .ended else { return }
        if !exchange.isRequestComplete { exchange.body?.fail(RequestBodyIncomplete()) }
        exchange.cancelTask()
        exchange.report(delivered: false)
        if exchange.isWork, exchange.task == nil { self.shared.lifecycle.work.end(exchange) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            // A second one would be no head but trailers, which the codec passes on as the end.
            guard self.exchange == nil else { return }
            self.exchange = self.accept(head)
            self.isUnanswered = true
        case .body(let bytes):
            self.received(bytes)
        case .end:
            guard let exchange = self.exchange else { return }
            exchange.isRequestComplete = true
            exchange.body?.finish()
            self.respond()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.respond()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func read(context: ChannelHandlerContext) {
        if let exchange, exchange.body?.isFull == true {
            self.isHoldingReads = true
            exchange.pace?.hold(now: .now())
        } else {
            context.read()
        }
    }

    private func bodyHasRoom() {
        self.exchange?.body?.hasRoom()
        guard self.isHoldingReads else { return }
        self.isHoldingReads = false
        self.exchange?.pace?.resume(now: .now())
        self.armForBody()
        self.context?.read()
    }

    // MARK: - Requests

    private func accept(_ head: HTTPRequestHead) -> Exchange {
        switch self.connection.reception(of: head) {
        case .probe(let route):
            return Exchange(kind: .probe(route), carrier: self, method: head.method, version: .http2)
        case .metrics(let question):
            return Exchange(kind: .metrics(question), carrier: self, method: head.method, version: .http2)
        case .refusal(let refusal):
            return self.refused(refusal, head)
        case .application(let expectsContinue):
            let exchange = Exchange(
                kind: .application(head, nil),
                carrier: self,
                method: head.method,
                version: .http2,
                headers: head.headers,
                expectsContinue: expectsContinue
            )
            if self.shared.lifecycle.work.admit(exchange) { return exchange }
            return self.refused(.shuttingDown, head)
        }
    }

    private func refused(_ refusal: Refusal, _ head: HTTPRequestHead) -> Exchange {
        Exchange(
            kind: .refusal(refusal), carrier: self, method: head.method, version: .http2, headers: head.headers)
    }

    private func received(_ bytes: ByteBuffer) {
        guard let exchange = self.exchange, exchange.isWork, exchange.response != .ended else { return }
        if exchange.body == nil { self.makeBody(of: exchange) }
        exchange.receive(bytes, limit: self.shared.limits.maxBodySize)
    }

    private func makeBody(of exchange: Exchange) {
        let made = RequestBodyFeed.make { self.onLoop { $0.bodyHasRoom() } }
        exchange.body = made.feed
        exchange.pace = BodyPace(timeout: self.shared.limits.bodyTimeout, now: .now())
        self.body = made.sequence
    }

    /// Begins the answer.
    private func respond() {
        guard self.isUnanswered, let exchange = self.exchange else { return }
        self.isUnanswered = false
        switch exchange.kind {
        case .probe(let route): self.answer(exchange, probe: route)
        case .metrics(let question): self.answer(exchange, metrics: question)
        case .refusal(let refusal): self.answer(exchange, refusal: refusal)
        case .application(let head, _):
            if !exchange.isRequestComplete {
                if exchange.body == nil { self.makeBody(of: exchange) }
                self.armForBody()
            }
            self.start(exchange, head: head, body: self.body)
            self.body = nil
        }
    }

    func cancel(_ exchange: Exchange) {
        self.onLoop { stream in
            exchange.isCancelled = true
            exchange.cancelTask()
            // A client that does not take its answer would hold the shutdown up to the deadline. What was written may wait for
            // nobody but the flush at the end of this turn: it has a moment.
            stream.armForAnswer()
        }
    }

    func lose(_ exchange: Exchange, done: @escaping @Sendable () -> Void) {
        // A lost loop closes its connections in its own way.
        guard !self.shared.loops.isLost(self.channel.eventLoop) else { return done() }
        self.onLoop { stream in
            guard !exchange.isLost else { return }
            exchange.isLost = true
            // Other tasks of the same request may go on; nobody waits for them any more.
            defer { exchange.cancelTask() }
            guard let context = stream.context, exchange.response != .ended else { return done() }
            if exchange.response == .none {
                stream.answerLost(exchange)
            } else {
                exchange.isCutOff = true
                context.close(promise: nil)
                done()
            }
        }
    }

    // MARK: - Answers

    func writeContinue() {
        self.write(.head(HTTPResponseHead(version: .http2, status: .continue)))
        self.context?.flush()
    }

    func finish(_ exchange: Exchange, status: HTTPResponseStatus, headers: HTTPHeaders, body: ByteBuffer) {
        var headers = headers
        if !headers.contains(name: "content-length") {
            headers.add(name: "Content-Length", value: String(body.readableBytes))
        }
        self.writeHead(status: status, headers: headers, of: exchange)
        if exchange.method != .HEAD, body.readableBytes > 0 {
            exchange.sentSize += body.readableBytes
            self.write(.body(.byteBuffer(body)))
        }
        self.writeEnd(of: exchange)
    }

    private func writeHead(status: HTTPResponseStatus, headers: HTTPHeaders, of exchange: Exchange) {
        var headers = headers
        headers.replaceOrAdd(name: "Date", value: self.shared.date.value)
        exchange.begin(status, headers: &headers)
        self.write(.head(HTTPResponseHead(version: .http2, status: status, headers: headers)))
    }

    private func writeEnd(of exchange: Exchange) {
        exchange.response = .ended
        guard let context = self.context else {
            exchange.report(delivered: false)
            return self.shared.lifecycle.work.end(exchange)
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        self.watch(promise.futureResult)
        if !exchange.isRequestComplete {
            self.hasAnsweredEarly = true
            self.shared.table.answersEarly()
        }
        promise.futureResult.assumeIsolated().whenComplete { result in
            exchange.report(delivered: (try? result.get()) != nil)
            if exchange.isWork { self.shared.lifecycle.work.end(exchange) }
            if !exchange.isRequestComplete { self.endRequest() }
        }
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: promise)
        self.armForAnswer()
        guard exchange.isCancelled else { return }
        // In the last phase of a shutdown, a client has no more than a moment to take its answer.
        let timer = context.eventLoop.assumeIsolated().scheduleTask(in: ConnectionLimits.lingerTime) {
            self.context?.close(promise: nil)
        }
        promise.futureResult.whenComplete { _ in timer.cancel() }
    }

    /// Has the client stop sending what nobody reads (RFC 9113 §8.1), when it has had time to see the answer: some
    /// clients forget the answer over the reset.
    private func endRequest() {
        self.context?.eventLoop.assumeIsolated().scheduleTask(in: ConnectionLimits.lingerTime) {
            self.resetWithoutError()
        }
    }

    private func resetWithoutError() {
        guard self.context != nil, self.exchange?.isRequestComplete == false,
            let codec = try? self.channel.pipeline.syncOperations.context(
                handlerType: HTTP2FramePayloadToHTTP1ServerCodec.self
            )
        else { return }
        // Past the codec, which knows no resets.
        codec.writeAndFlush(NIOAny(HTTP2Frame.FramePayload.rstStream(.noError)), promise: nil)
    }

    func sendWhole(_ head: HTTPResponseHead, _ body: ByteBuffer, for exchange: Exchange) {
        self.onLoop { stream in
            guard !exchange.isLost else { return }
            guard stream.context != nil else { return stream.shared.lifecycle.work.end(exchange) }
            stream.finish(exchange, status: head.status, headers: head.headers, body: body)
        }
    }

    func abandon(_ exchange: Exchange) {
        self.onLoop { stream in
            guard !exchange.isLost, exchange.response != .ended else { return }
            stream.shared.lifecycle.work.end(exchange)
            // If the stream is gone already, it was the client who left.
            exchange.isCutOff = true
            stream.context?.close(promise: nil)
        }
    }

    func beginBody(_ head: HTTPResponseHead, of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            exchange.response = .streaming
            self.writeHead(status: head.status, headers: head.headers, of: exchange)
            context.flush()
            return context.eventLoop.makeSucceededVoidFuture()
        }
    }

    func writeBody(_ bytes: ByteBuffer, of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            let promise = context.eventLoop.makePromise(of: Void.self)
            self.watch(promise.futureResult)
            exchange.sentSize += bytes.readableBytes
            context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(bytes))), promise: promise)
            self.armForAnswer()
            return promise.futureResult
        }
    }

    func endBody(of exchange: Exchange) -> EventLoopFuture<Void> {
        self.channel.eventLoop.flatSubmit {
            guard let context = self.context, !exchange.isLost else { return self.gone }
            self.writeEnd(of: exchange)
            return context.eventLoop.makeSucceededVoidFuture()
        }
    }

    private var gone: EventLoopFuture<Void> {
        self.channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }

    private func write(_ part: HTTPServerResponsePart) {
        self.context?.write(self.wrapOutboundOut(part), promise: nil)
    }

    // MARK: - Time

    /// A part of the answer is on its way: the client has to take it in time.
    private func watch(_ written: EventLoopFuture<Void>) {
        self.untaken.began(now: .now())
        written.assumeIsolated().whenComplete { _ in self.untaken.ended(now: .now()) }
    }

    /// How long the client may take nothing of its answer: in the last phases of a shutdown no more than a moment.
    private var takingTime: TimeAmount {
        self.exchange?.isCancelled == true ? ConnectionLimits.lingerTime : self.shared.limits.bodyTimeout
    }

    /// Called after a flush, when most of what was written has left.
    private func armForAnswer() {
        if let since = self.untaken.since { self.arm(at: since + self.takingTime) }
    }

    private func armForBody() {
        if let deadline = self.exchange?.bodyDeadline { self.arm(at: deadline) }
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
        let now = NIODeadline.now()
        if let since = self.untaken.since {
            // A stream's window opens for a part at a time, and a part is short: it has to leave as a whole.
            if now >= since + self.takingTime {
                self.context?.close(promise: nil)
                return
            }
            self.armForAnswer()
        }
        guard let exchange, let deadline = exchange.bodyDeadline else { return }
        if now < deadline { return self.arm(at: deadline) }
        if exchange.response == .none {
            exchange.failBody(RequestBodyTimedOut())
        } else {
            self.context?.close(promise: nil)
        }
    }
}
