// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedTelemetry
import NIOCore
import NIOHTTP1
import ServiceContextModule
import Tracing

/// What becomes of a request that has ended: it is counted, and unless it was a probe, it is a line of the access log.
///
/// The line has the route's pattern and never the path, and neither query nor address: those can be PHI (45 CFR 164.514(b)(2)).
struct RequestTelemetry: Sendable {
    let requestIDs = RequestIDSource()
    /// Where the access log goes; nil for nowhere.
    var access: PreparedLogger?
    /// Where it is counted; nil for nowhere.
    var metrics: HTTPMetrics?
    /// Who writes the pages; nil where there are none.
    var pages: MetricsPages?

    /// Who traces requests; nil for nobody.
    var tracer: RecordingTracer?

    /// Starts a request's task in the request's context: its name, and its span where requests are traced.
    func inContext<Result>(of exchange: Exchange, _ head: HTTPRequestHead, _ body: () -> Result) -> Result {
        var context = ServiceContext.forRequest
        context.requestID = exchange.requestID
        if let tracer {
            tracer.extract(head.headers, into: &context, using: HeaderExtractor())
            let span = tracer.startSpan("HTTP", context: context, ofKind: .server)
            exchange.span = span
            context = span.context
        }
        return ServiceContext.withValue(context, operation: body)
    }

    /// Called on the event loop of the connection.
    func ended(_ outcome: RequestOutcome) {
        self.metrics?.ended(outcome)
        if !outcome.isProbe { self.log(outcome) }
    }

    private func log(_ outcome: RequestOutcome) {
        self.access?.log(level: .info) { fields in
            fields.add("event.duration", outcome.duration.nanoseconds)
            if outcome.requestBytes > 0 { fields.add("http.request.body.bytes", outcome.requestBytes) }
            if let id = outcome.requestID { fields.add("http.request.id", id) }
            fields.add("http.request.method", outcome.method.label)
            fields.add("http.response.body.bytes", outcome.responseBytes)
            fields.add("http.response.status_code", outcome.status)
            fields.add("http.route", outcome.route)
            guard let trace = outcome.trace else { return }
            fields.add("span.id", trace.spanID)
            fields.add("trace.id", trace.traceID)
        }
    }
}
