// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import MedRuntime
import MedTelemetry
import NIOCore
import NIOHTTP1
import Tracing

/// One request and its answer, on an HTTP/1.1 connection or an HTTP/2 stream.
final class Exchange: Work, @unchecked Sendable {
    // Unchecked: every `var` is touched on the connection's event loop alone.

    /// Who answers.
    enum Kind {
        /// The connection itself, from the last health snapshot.
        case probe(ProbeRequest)
        /// The thread of the pages.
        case metrics(MetricsPages.Question)
        /// The connection itself; it closes after the answer.
        case refusal(Refusal)
        /// The application, which admitted it as work.
        case application(HTTPRequestHead, RequestBodyFeed.Sequence?)

        /// Whether somebody asks how the server is, rather than for what it does.
        var isProbe: Bool {
            switch self {
            case .probe, .metrics: true
            case .refusal, .application: false
            }
        }
    }

    /// How far the answer is.
    enum ResponseState {
        case none
        case streaming
        case ended
    }

    let workID = WorkID()
    /// When its head was there.
    let began = NIODeadline.now()
    let kind: Kind
    let method: HTTPMethod
    let version: HTTPVersion
    /// Whether the client lets the connection go on after this.
    var keepAlive: Bool
    /// Whether a body follows the head, by what the head says.
    let hasBody: Bool
    /// Whether the client waits for a `100 Continue` before it sends the body.
    let expectsContinue: Bool
    /// How much of its body has come, in bytes.
    private(set) var bodySize = 0
    /// How fast its body must come; nil if it has none.
    var pace: BodyPace?
    /// The name of the request, which the answer tells; probes have none.
    let requestID: String?
    /// The status that was sent; 0 until then.
    var status = 0
    /// How much of the body of the answer was written, in bytes.
    var sentSize = 0
    /// Whether it was ended from here although the client was still there.
    var isCutOff = false
    /// Whether somebody is at it who is no task.
    var isBeingWritten = false
    /// Its span, if requests are traced.
    var span: TraceSpan?
    private var isReported = false
    /// The event loop of its connection.
    var eventLoop: any EventLoop { self.carrier.channel.eventLoop }
    /// The pattern of the route, known after routing.
    let route = EndpointPath()

    var response = ResponseState.none
    var isRequestComplete = false
    var isCancelled = false
    /// Whether its handler has trapped and will never answer.
    var isLost = false
    /// Whether the head of the answer said that the connection ends with it.
    var announcedClose = false
    var body: RequestBodyFeed?
    var task: Task<Void, Never>?
    private let carrier: any ExchangeCarrier
    /// Whether its connection speaks TLS.
    let isSecure: Bool

    init(
        kind: Kind,
        carrier: any ExchangeCarrier,
        method: HTTPMethod,
        version: HTTPVersion,
        headers: HTTPHeaders? = nil,
        keepAlive: Bool = true,
        hasBody: Bool = false,
        expectsContinue: Bool = false,
        body: RequestBodyFeed? = nil
    ) {
        self.kind = kind
        self.method = method
        self.version = version
        self.keepAlive = keepAlive
        self.hasBody = hasBody
        self.expectsContinue = expectsContinue
        self.body = body
        self.carrier = carrier
        self.isSecure = carrier.connection.isSecure
        self.requestID =
            kind.isProbe ? nil : carrier.shared.telemetry.requestIDs.id(for: headers)
    }

    /// The pattern of what was asked for.
    var pattern: String {
        switch self.kind {
        case .probe(let probe): probe.probe.pattern
        case .metrics: "/metrics"
        case .refusal: "unmatched"
        case .application: self.route.pattern
        }
    }

    /// The head of the answer is written: what it says, and by which name the request is known.
    func begin(_ status: HTTPResponseStatus, headers: inout HTTPHeaders) {
        self.status = Int(status.code)
        if let requestID { headers.replaceOrAdd(name: RequestIDSource.field, value: requestID) }
    }

    /// Tells that it has ended, whether the client has the answer or not. Only the first call counts.
    func report(delivered: Bool) {
        guard !self.isReported else { return }
        self.isReported = true
        let sent = self.status == 0 ? 500 : self.status
        let status = delivered || self.isCutOff ? sent : RequestOutcome.clientLeft
        if let span {
            // Most are neither sampled nor failures: nobody will read what is said of them.
            if status >= 500 || span.isToBeExported { self.describe(span, status) }
            span.end()
        }
        self.carrier.shared.telemetry.ended(
            RequestOutcome(
                method: self.method,
                route: self.pattern,
                status: status,
                duration: .now() - self.began,
                requestBytes: self.bodySize,
                responseBytes: self.sentSize,
                requestID: self.requestID,
                isProbe: self.kind.isProbe,
                isSecure: self.isSecure,
                trace: self.span?.context.traceContext
            )
        )
    }

    /// Says what the request was (OpenTelemetry, "Semantic conventions for HTTP spans").
    private func describe(_ span: TraceSpan, _ status: Int) {
        span.operationName = "\(self.method.label) \(self.pattern)"
        // At once: each change is a copy of all.
        var attributes = span.attributes
        attributes["http.request.method"] = self.method.label
        attributes["network.protocol.version"] = self.version.major == 2 ? "2" : "1.\(self.version.minor)"
        attributes["url.scheme"] = self.isSecure ? "https" : "http"
        attributes["http.route"] = self.pattern
        attributes["http.response.status_code"] = status
        if status >= 500 {
            attributes["error.type"] = String(status)
            span.setStatus(SpanStatus(code: .error))
        }
        span.attributes = attributes
    }

    /// A part of its body came.
    func receive(_ bytes: ByteBuffer, limit: Int) {
        self.bodySize += bytes.readableBytes
        self.pace?.receive(bytes.readableBytes, now: .now())
        guard self.bodySize <= limit else { return self.failBody(RequestBodyTooLarge()) }
        self.body?.append(bytes)
    }

    /// When the client's time to go on with the body is over.
    var bodyDeadline: NIODeadline? { self.isRequestComplete ? nil : self.pace?.deadline }

    /// There is no more of the body for the handler.
    func failBody(_ error: any Error) {
        self.body?.fail(error)
        self.body = nil
        self.pace = nil
    }

    /// Whether a shutdown waits for it.
    var isWork: Bool {
        if case .application = self.kind { true } else { false }
    }

    var workName: String { "\(self.method.label) \(self.route.pattern)" }

    /// Cancels the handler, in a task of its own: what an application does at a cancellation may block or trap, and must not do
    /// so on the event loop.
    func cancelTask() {
        guard let task else { return }
        Lifecycle.insideWork(self, starting: { _ = Task { task.cancel() } })
    }

    func cancelWork() { self.carrier.cancel(self) }

    func loseWork(done: @escaping @Sendable () -> Void) { self.carrier.lose(self, done: done) }
}
