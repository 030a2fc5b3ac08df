// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import MedRuntime
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// What carries exchanges: an HTTP/1.1 connection, one after the other, or an HTTP/2 stream, a single one.
///
/// The methods that take an exchange may be called from any thread, those of ``answer(_:probe:)`` and
/// ``start(_:head:body:)`` on the event loop only.
protocol ExchangeCarrier: AnyObject, Sendable {
    var channel: any Channel { get }
    var connection: ServerConnection { get }

    /// Writes a whole answer, on the event loop. `Date`, `Content-Length` and what the protocol needs are added.
    func finish(_ exchange: Exchange, status: HTTPResponseStatus, headers: HTTPHeaders, body: ByteBuffer)
    /// Writes parts to the client and has them leave, on the event loop.
    func writeContinue()
    /// Sends a whole answer of the application.
    func sendWhole(_ head: HTTPResponseHead, _ body: ByteBuffer, for exchange: Exchange)
    /// Begins an answer whose body follows in parts.
    func beginBody(_ head: HTTPResponseHead, of exchange: Exchange) -> EventLoopFuture<Void>
    /// Writes a part of a body. The future ends when the socket has taken it.
    func writeBody(_ bytes: ByteBuffer, of exchange: Exchange) -> EventLoopFuture<Void>
    /// Ends a body.
    func endBody(of exchange: Exchange) -> EventLoopFuture<Void>
    /// The answer cannot be finished: the client sees that it is cut off.
    func abandon(_ exchange: Exchange)
    /// The shutdown's grace is over for this request.
    func cancel(_ exchange: Exchange)
    /// The handler of this request has trapped: the client is told, and the connection ends. `done` is called when
    /// nothing is left to do for the request.
    func lose(_ exchange: Exchange, done: @escaping @Sendable () -> Void)
}

extension ExchangeCarrier {
    var shared: ServerShared { self.connection.shared }

    /// Answers a probe.
    func answer(_ exchange: Exchange, probe: ProbeRequest) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(8)
        guard exchange.method == .GET || exchange.method == .HEAD else {
            headers.add(name: "Allow", value: "GET, HEAD")
            headers.add(name: "Cache-Control", value: "no-store")
            return self.finish(exchange, status: .methodNotAllowed, headers: headers, error: "method_not_allowed")
        }
        let answer = self.shared.probes.answer(to: probe)
        headers.add(name: "Content-Type", value: answer.contentType)
        for header in answer.headers { headers.add(name: header.name, value: header.value) }
        self.finish(
            exchange,
            status: HTTPResponseStatus(statusCode: answer.status),
            headers: headers,
            body: ByteBuffer(bytes: answer.body)
        )
    }

    /// Has a page of metrics written, and sends it when it is there.
    func answer(_ exchange: Exchange, metrics question: MetricsPages.Question) {
        guard exchange.method == .GET || exchange.method == .HEAD, let pages = self.shared.telemetry.pages else {
            let headers: HTTPHeaders = ["Allow": "GET, HEAD", "Cache-Control": "no-store"]
            return self.finish(exchange, status: .methodNotAllowed, headers: headers, error: "method_not_allowed")
        }
        exchange.isBeingWritten = true
        pages.write(question) { headers, page in
            self.sendWhole(
                HTTPResponseHead(version: .http1_1, status: .ok, headers: headers), page, for: exchange)
        }
    }

    /// Answers a request that never reaches the application.
    func answer(_ exchange: Exchange, refusal: Refusal) {
        if case .shuttingDown = refusal { self.shared.table.refuses() }
        self.finish(exchange, status: refusal.status, headers: HTTPHeaders(refusal.headers), error: refusal.code)
    }

    /// Answers a request whose handler has trapped.
    func answerLost(_ exchange: Exchange) {
        let id = ErrorID.make()
        self.shared.logger.error(
            "Request failed",
            metadata: [
                "error.id": "\(id)", "error.type": "runtime trap",
                "http.request.method": "\(exchange.method.rawValue)", "http.route": "\(exchange.route.pattern)",
            ]
        )
        self.finish(exchange, status: .internalServerError, headers: [:], error: "internal", id: id)
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

    /// Has the application answer, in a task of its own.
    func start(_ exchange: Exchange, head: HTTPRequestHead, body: RequestBodyFeed.Sequence?) {
        let request: Request
        do {
            let body = body.map { RequestBody(asyncSequence: $0) } ?? RequestBody(buffer: ByteBuffer())
            request = Request(head: try HTTPRequest(fast: head, isSecure: self.connection.isSecure), body: body)
        } catch {
            return self.answer(exchange, refusal: .badRequest)
        }
        if exchange.expectsContinue, !exchange.isRequestComplete { self.writeContinue() }
        exchange.task = Lifecycle.insideWork(
            exchange,
            starting: {
                self.shared.telemetry.inContext(of: exchange, head) {
                    Task {
                        let isManagement = self.connection.endpoint.kind == .management
                        let respond = isManagement ? self.shared.manage : self.shared.respond
                        let response = await respond(request, self.channel, exchange.route)
                        await self.send(response, for: exchange)
                    }
                }
            })
        if exchange.isCancelled { exchange.cancelTask() }
    }

    /// Sends the application's answer. Called in the request's task.
    private func send(_ response: Response, for exchange: Exchange) async {
        var head = HTTPResponseHead(response.head)
        // Never of a request that the application has seen: it may have passed on what another server said.
        if head.status == .serviceUnavailable { head.headers.remove(name: Refusal.header) }
        if let length = response.body.contentLength, length <= ConnectionLimits.wholeBodySize {
            let writer = CollectingWriter()
            do {
                if length > 0 { try await response.body.write(writer) }
            } catch {
                return self.abandon(exchange)
            }
            return self.sendWhole(head, writer.bytes, for: exchange)
        }
        do {
            try await self.beginBody(head, of: exchange).get()
            if exchange.method == .HEAD {
                try await self.endBody(of: exchange).get()
            } else {
                try await response.body.write(StreamingWriter(carrier: self, exchange: exchange))
            }
        } catch {}
        // If it has ended, this changes nothing.
        self.abandon(exchange)
    }

    func onLoop(_ body: @escaping @Sendable (Self) -> Void) {
        self.channel.eventLoop.execute { body(self) }
    }
}

extension HTTPRequest {
    /// The request that a parsed head describes.
    fileprivate init(fast head: HTTPRequestHead, isSecure: Bool) throws {
        guard head.uri.utf8.first == UInt8(ascii: "/") else {
            // `*`, an absolute URL or an authority: rare, and worth a real URL parser.
            self = try HTTPRequest(head, secure: isSecure, splitCookie: false)
            return
        }
        self.init(
            method: try HTTPRequest.Method(head.method),
            scheme: isSecure ? "https" : "http",
            authority: head.headers.first(name: "host"),
            path: head.uri,
            headerFields: HTTPFields(head.headers, splitCookie: false)
        )
    }
}
