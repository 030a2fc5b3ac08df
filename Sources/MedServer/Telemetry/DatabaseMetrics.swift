// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import MedTelemetry

/// How long statements take, and how the pool is.
final class DatabaseMetrics: DatabaseObserver, PoolObserver {
    private let durations: [SQLOperation: (ok: Histogram, error: Histogram)]
    private let waits: Histogram
    private let connectFailures: Counter

    init(_ registry: MetricRegistry) throws(MetricError) {
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
        return { error in
            let nanoseconds = Int64((ContinuousClock.now - start) / .nanoseconds(1))
            (error == nil ? histograms.ok : histograms.error).observe(nanoseconds: nanoseconds)
        }
    }

    func acquired(after wait: Duration) { self.waits.observe(nanoseconds: Int64(wait / .nanoseconds(1))) }
    func acquireFailed(_ error: DatabaseError) {}
    func connected() {}
    func connectFailed(_ error: DatabaseError) { self.connectFailures.increment() }
    func closed() {}
}
