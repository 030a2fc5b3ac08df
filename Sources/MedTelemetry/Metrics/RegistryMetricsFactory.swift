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
/// Dimensions are labels, each series having its own. Timers and aggregating recorders are histograms, other recorders and meters are gauges.
/// What cannot be registered, because its name is taken by another type, is logged once and counted nowhere.
public struct RegistryMetricsFactory: MetricsFactory {
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
        CounterSeries(counter: self.counter(label, dimensions))
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { CounterSeries(counter: self.counter(label, dimensions)) }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        GaugeSeries(gauge: self.gauge(label, dimensions))
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return GaugeSeries(gauge: self.gauge(label, dimensions)) }
        let family = self.registering(label) { () throws(MetricError) in
            // Whatever it is that it records: from a thousandth to ten million.
            try self.registry.histogram(label, help: Self.help(label), labels: nil, buckets: .anything)
        }
        return HistogramSeries(histogram: family?.series(Self.labels(dimensions)) ?? Histogram(buckets: .anything))
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let name = label.hasSuffix("_seconds") || label.hasSuffix(".seconds") ? label : label + "_seconds"
        let family = self.registering(name) { () throws(MetricError) in
            try self.registry.histogram(name, help: Self.help(label), labels: nil, buckets: .shortSeconds)
        }
        return HistogramSeries(histogram: family?.series(Self.labels(dimensions)) ?? Histogram(buckets: .shortSeconds))
    }

    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> Counter {
        let family = self.registering(label) { () throws(MetricError) in
            try self.registry.counter(label, help: Self.help(label), labels: nil)
        }
        return family?.series(Self.labels(dimensions)) ?? Counter()
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> Gauge {
        let family = self.registering(label) { () throws(MetricError) in
            try self.registry.gauge(label, help: Self.help(label), labels: nil)
        }
        return family?.series(Self.labels(dimensions)) ?? Gauge()
    }

    private func registering<Family>(_ name: String, _ register: () throws(MetricError) -> Family) -> Family? {
        do throws(MetricError) {
            return try register()
        } catch {
            if self.refused.names.withLock({ $0.insert(name).inserted }) {
                self.logger.warning("Metric refused", metadata: ["error.message": "\(error)"])
            }
            return nil
        }
    }

    private static func help(_ label: String) -> String { "What the code calls \(label)." }

    /// In the order of their names, so that the order in which a caller names them makes no other series; of two of one name, the last.
    private static func labels(_ dimensions: [(String, String)]) -> [MetricLabel] {
        var values: [String: String] = [:]
        for (name, value) in dimensions where !name.isEmpty && !name.hasPrefix("__") && name != "le" {
            values[name] = value
        }
        return values.sorted { $0.key < $1.key }.map { MetricLabel($0.key, $0.value) }
    }
}

extension HistogramBuckets {
    /// For recorders, of which nothing is known: powers of ten.
    static let anything = HistogramBuckets(
        bounds: (-3...7).map { power in (0..<abs(power)).reduce(1.0) { sum, _ in power < 0 ? sum / 10 : sum * 10 } })
}

private final class CounterSeries: CounterHandler, FloatingPointCounterHandler {
    let counter: Counter

    init(counter: Counter) { self.counter = counter }

    func increment(by amount: Int64) { self.counter.increment(by: Int(amount)) }
    func increment(by amount: Double) { self.counter.increment(by: amount) }
    /// A counter of the page never falls: what is set back goes on.
    func reset() {}
}

private final class GaugeSeries: MeterHandler, RecorderHandler {
    let gauge: Gauge

    init(gauge: Gauge) { self.gauge = gauge }

    func set(_ value: Int64) { self.gauge.set(Double(value)) }
    func set(_ value: Double) { self.gauge.set(value) }
    func increment(by amount: Double) { self.gauge.add(amount) }
    func decrement(by amount: Double) { self.gauge.add(-amount) }
    func record(_ value: Int64) { self.gauge.set(Double(value)) }
    func record(_ value: Double) { self.gauge.set(value) }
}

private final class HistogramSeries: RecorderHandler, TimerHandler {
    let histogram: Histogram

    init(histogram: Histogram) { self.histogram = histogram }

    func record(_ value: Int64) { self.histogram.observe(Double(value)) }
    func record(_ value: Double) { self.histogram.observe(value) }
    func recordNanoseconds(_ duration: Int64) { self.histogram.observe(nanoseconds: duration) }
}
