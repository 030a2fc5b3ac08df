// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import CoreMetrics
public import Logging
import Synchronization

/// The backend of swift-metrics: what any package measures comes out on the page of a ``MetricRegistry``.
///
/// ```swift
/// MetricsSystem.bootstrap(RegistryMetricsFactory(registry, logger: logger))
/// ```
///
/// Dimensions are labels, each series having its own. Timers and aggregating recorders are histograms, other recorders
/// and meters are gauges. What cannot be registered, because its name is taken by another type, is logged once and
/// counted nowhere. Destroying a metric takes its series off the page, and gives back its place under the limit.
public struct RegistryMetricsFactory: MetricsFactory {
    /// How many names are remembered as logged. Those that come after them are not logged.
    private static let loggedLimit = 1000

    private let registry: MetricRegistry
    private let logger: Logger
    private let refused = Refused()

    /// Names that were refused already.
    private final class Refused: Sendable {
        let names = Mutex<Set<String>>([])
    }

    /// A factory for a registry; `logger` hears of metrics that cannot be had.
    public init(_ registry: MetricRegistry, logger: Logger) {
        self.registry = registry
        self.logger = logger
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.counter(label, dimensions)
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { self.counter(label, dimensions) }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.gauge(label, dimensions)
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        // Whatever it is that it records: from a thousandth to ten million.
        aggregate ? self.histogram(label, .anything, dimensions) : self.gauge(label, dimensions)
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let name = label.hasSuffix("_seconds") || label.hasSuffix(".seconds") ? label : label + "_seconds"
        return self.histogram(name, .shortSeconds, dimensions)
    }

    public func destroyCounter(_ handler: any CounterHandler) { (handler as? CounterSeries)?.remove() }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        (handler as? CounterSeries)?.remove()
    }
    public func destroyMeter(_ handler: any MeterHandler) { (handler as? GaugeSeries)?.remove() }
    public func destroyRecorder(_ handler: any RecorderHandler) {
        (handler as? GaugeSeries)?.remove()
        (handler as? HistogramSeries)?.remove()
    }
    public func destroyTimer(_ handler: any TimerHandler) { (handler as? HistogramSeries)?.remove() }

    // MARK: - Families

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> CounterSeries {
        let family = self.registering(label) { () throws(MetricError) in
            try self.registry.counter(label, help: Self.help(label), labels: nil)
        }
        return CounterSeries(counter: family?.series(dimensions) ?? Counter()) { family?.remove(dimensions) }
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeSeries {
        let family = self.registering(label) { () throws(MetricError) in
            try self.registry.gauge(label, help: Self.help(label), labels: nil)
        }
        return GaugeSeries(gauge: family?.series(dimensions) ?? Gauge()) { family?.remove(dimensions) }
    }

    private func histogram(
        _ name: String, _ buckets: HistogramBuckets, _ dimensions: [(String, String)]
    ) -> HistogramSeries {
        let family = self.registering(name) { () throws(MetricError) in
            try self.registry.histogram(name, help: Self.help(name), labels: nil, buckets: buckets)
        }
        return HistogramSeries(histogram: family?.series(dimensions) ?? Histogram(buckets: buckets)) {
            family?.remove(dimensions)
        }
    }

    private func registering<Family>(_ name: String, _ register: () throws(MetricError) -> Family) -> Family? {
        do throws(MetricError) {
            return try register()
        } catch {
            // Names that are too long to be any are remembered as one.
            let name = name.utf8.count > MetricName.maxLength ? "" : name
            let isNew = self.refused.names.withLock { names in
                names.count < Self.loggedLimit && names.insert(name).inserted
            }
            if isNew { self.logger.warning("Metric refused", metadata: ["error.message": "\(error)"]) }
            return nil
        }
    }

    private static func help(_ name: String) -> String { "What the code calls \(name)." }
}

extension HistogramBuckets {
    /// For recorders, of which nothing is known: powers of ten.
    static let anything = HistogramBuckets(bounds: [0.001, 0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7])
}

private final class CounterSeries: CounterHandler, FloatingPointCounterHandler {
    private let counter: Counter
    let remove: @Sendable () -> Void

    init(counter: Counter, remove: @escaping @Sendable () -> Void) {
        self.counter = counter
        self.remove = remove
    }

    func increment(by amount: Int64) { self.counter.increment(by: Int(amount)) }
    func increment(by amount: Double) { self.counter.increment(by: amount) }
    /// A counter of the page never falls: what is set back goes on.
    func reset() {}
}

private final class GaugeSeries: MeterHandler, RecorderHandler {
    private let gauge: Gauge
    let remove: @Sendable () -> Void

    init(gauge: Gauge, remove: @escaping @Sendable () -> Void) {
        self.gauge = gauge
        self.remove = remove
    }

    func set(_ value: Int64) { self.gauge.set(Double(value)) }
    func set(_ value: Double) { self.gauge.set(value) }
    func increment(by amount: Double) { self.gauge.add(amount) }
    func decrement(by amount: Double) { self.gauge.subtract(amount) }
    func record(_ value: Int64) { self.gauge.set(Double(value)) }
    func record(_ value: Double) { self.gauge.set(value) }
}

private final class HistogramSeries: RecorderHandler, TimerHandler {
    private let histogram: Histogram
    let remove: @Sendable () -> Void

    init(histogram: Histogram, remove: @escaping @Sendable () -> Void) {
        self.histogram = histogram
        self.remove = remove
    }

    func record(_ value: Int64) { self.histogram.observe(Double(value)) }
    func record(_ value: Double) { self.histogram.observe(value) }
    func recordNanoseconds(_ duration: Int64) { self.histogram.observe(nanoseconds: duration) }
}
