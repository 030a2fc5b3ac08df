// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTelemetry
import NIOCore
import Synchronization

/// How many requests there were, and how long they took.
final class HTTPMetrics: Sendable {
    /// The statuses that are shown as 0 from the first request of a method and route on: a series that begins with its first failure begins
    /// at 1, and a `rate()` of it does not see that failure.
    private static let failures = [500, 503]

    private struct Key: Hashable {
        var method: String
        var route: String
        var status: Int
        var isSecure: Bool
    }

    private struct Series {
        let count: Counter
        let duration: Histogram
        /// The same for a collector.
        let sent: Histogram?
    }

    private let requests: MetricFamily<Counter>
    private let durations: MetricFamily<Histogram>
    private let sent: MetricFamily<Histogram>?
    /// Those that were asked for already: finding one by a number and two short texts is faster than by its labels.
    private let now: @Sendable () -> Int64
    private let series = Mutex<[Key: Series]>([:])

    /// - Parameters:
    ///   - registry: for the page.
    ///   - sent: for a collector, with `scheme` as a label, where not all requests have the same. It is no label of the page: SPEC §4 has
    ///     said which ones there are.
    init(_ registry: MetricRegistry, sent: MetricRegistry? = nil) throws(MetricError) {
        self.now = registry.now
        let labels = ["method", "route", "status"]
        self.requests = try registry.counter(
            "http_requests",
            help:
                "Requests that have ended, by method, pattern of the route and status; 499 where the client left first.",
            labels: labels)
        let name = "http_request_duration_seconds"
        let help = "How long requests took, from their head to the end of their answer."
        self.durations = try registry.histogram(name, help: help, labels: labels, buckets: .seconds.withNative)
        self.sent =
            if let sent {
                try sent.histogram(name, help: help, labels: labels + ["scheme"], buckets: .seconds.withNative)
            } else { nil }
    }

    /// A trace that is recorded, to look a slow request up in.
    private func exemplar(_ outcome: RequestOutcome) -> Exemplar? {
        guard let trace = outcome.trace, trace.isSampled else { return nil }
        return Exemplar(
            traceID: trace.traceID.description, spanID: trace.spanID.description,
            time: self.now())
    }

    func ended(_ outcome: RequestOutcome) {
        let key = Key(
            method: outcome.method.label, route: outcome.route, status: outcome.status, isSecure: outcome.isSecure)
        let series = self.series.withLock { known in
            if let series = known[key] { return series }
            let labels = (key.method, key.route, String(key.status))
            let new = Series(
                count: self.requests.with(labels.0, labels.1, labels.2),
                duration: self.durations.with(labels.0, labels.1, labels.2),
                sent: self.sent?.with(labels.0, labels.1, labels.2, outcome.isSecure ? "https" : "http"))
            known[key] = new
            for status in Self.failures { _ = self.requests.with(labels.0, labels.1, String(status)) }
            return new
        }
        series.count.increment()
        let exemplar = self.exemplar(outcome)
        series.duration.observe(nanoseconds: outcome.duration.nanoseconds, exemplar: exemplar)
        series.sent?.observe(nanoseconds: outcome.duration.nanoseconds, exemplar: exemplar)
    }
}
