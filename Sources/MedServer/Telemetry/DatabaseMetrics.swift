// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import MedTelemetry
import ServiceContextModule
import Tracing

/// How long statements take, and how the pool is.
final class DatabaseMetrics: DatabaseObserver, PoolObserver {
    private let durations: [SQLOperation: (ok: Histogram, error: Histogram)]
    private let waits: Histogram
    private let connectFailures: Counter
    private let system: String
    private let tracer: RecordingTracer?

    init(_ registry: MetricRegistry, system: String, tracer: RecordingTracer?) throws(MetricError) {
        self.system = system
        self.tracer = tracer
        let family = try registry.histogram(
            "database_query_duration_seconds",
            help: "How long the database took for a statement, by what it does and how it ended.",
            labels: ["operation", "outcome"], buckets: .shortSeconds)
        var durations: [SQLOperation: (ok: Histogram, error: Histogram)] = [:]
        for operation in SQLOperation.allCases {
            durations[operation] = (family.with(operation.rawValue, "ok"), family.with(operation.rawValue, "error"))
        }
        self.durations = durations
        self.waits = try registry.histogram(
            "database_pool_wait_seconds", help: "How long somebody waited for a connection.", buckets: .shortSeconds
        ).with()
        self.connectFailures = try registry.counter(
            "database_pool_connect_failures", help: "How often a connection could not be made."
        ).with()
    }

    func began(_ operation: SQLOperation, _ sql: String, count: Int) -> @Sendable (DatabaseError?) -> Void {
        guard let histograms = self.durations[operation] else { return { _ in } }
        let start = ContinuousClock.now
        let span = self.span(operation, sql, count)
        return { error in
            if let span {
                if let error {
                    span.attributes["error.type"] = error.sqlState ?? error.code.description
                    span.setStatus(SpanStatus(code: .error))
                }
                span.end()
            }
            let nanoseconds = Int64((ContinuousClock.now - start) / .nanoseconds(1))
            (error == nil ? histograms.ok : histograms.error).observe(nanoseconds: nanoseconds)
        }
    }

    /// A span within that of the request; statements of the server itself have none.
    private func span(_ operation: SQLOperation, _ sql: String, _ count: Int) -> TraceSpan? {
        guard let tracer, let context = ServiceContext.current, context.traceContext != nil else { return nil }
        let span = tracer.startSpan(operation.rawValue, context: context, ofKind: .client)
        guard span.isRecording else { return span }
        // The text has no values: they travel as parameters. All at once: each change is a copy of all.
        var attributes: SpanAttributes = [
            "db.system.name": .string(self.system), "db.operation.name": .string(operation.rawValue),
            "db.query.text": .string(sql),
        ]
        if count > 1 { attributes["db.operation.batch.size"] = count }
        span.attributes = attributes
        return span
    }

    func acquired(after wait: Duration) { self.waits.observe(nanoseconds: Int64(wait / .nanoseconds(1))) }
    func acquireFailed(_ error: DatabaseError) {}
    func connected() {}
    func connectFailed(_ error: DatabaseError) { self.connectFailures.increment() }
    func closed() {}
}
