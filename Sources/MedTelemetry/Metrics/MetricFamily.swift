// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A metric with all its series.
///
/// ```swift
/// let requests = try registry.counter("http_requests", help: "Requests answered.", labels: ["method", "status"])
/// requests.with("GET", "200").increment()
/// ```
///
/// Beyond a limit, what has other labels goes to one series whose only label is `overflow="true"`: a label that
/// somebody outside can choose must not fill the memory.
public final class MetricFamily<Instrument: AnyObject & Sendable>: Sendable {
    /// One combination of labels.
    final class Series: Sendable {
        let labels: [MetricLabel]
        let instrument: Instrument
        /// When it was first asked for, in milliseconds since 1970.
        let createdAt: Int64
        let rendered = RenderedTexts()

        init(labels: [MetricLabel], instrument: Instrument, createdAt: Int64) {
            self.labels = labels
            self.instrument = instrument
            self.createdAt = createdAt
        }
    }

    private struct State {
        /// By the values of the labels; where each series has its own, by names and values in turn.
        var series: [[String]: Series] = [:]
        var overflow: Series?
        /// In the order of the page; nil when a series has come or gone.
        var sorted: [Series]?
    }

    /// What it is.
    public let description: MetricDescription
    /// What comes before the series on a page.
    let rendered = RenderedTexts()
    private let limit: Int
    private let make: @Sendable () -> Instrument
    private let now: @Sendable () -> Int64
    private let overflowed: @Sendable () -> Void
    private let state = Mutex(State())

    init(
        _ description: MetricDescription,
        limit: Int,
        now: @escaping @Sendable () -> Int64,
        overflowed: @escaping @Sendable () -> Void,
        make: @escaping @Sendable () -> Instrument
    ) {
        self.description = description
        self.limit = limit
        self.now = now
        self.overflowed = overflowed
        self.make = make
        // Where there can be but one series, it is there from the start: what is missing from a page cannot be told
        // from what never happened.
        if description.labels == [] { _ = self.with() }
    }

    /// The series with these values, in the order in which the labels were named. One that is missing is empty, one too
    /// many is left out.
    ///
    /// Whoever counts often keeps what this returns.
    public func with(_ values: String...) -> Instrument { self.with(values: values) }

    /// The same as ``with(_:)``, for values that are in an array already.
    public func with(values: [String]) -> Instrument {
        let names = self.description.labels ?? []
        let isKey = values.count == names.count && values.allSatisfy { $0.utf8.count <= MetricLabel.maxValueLength }
        let key = isKey ? values : names.indices.map { $0 < values.count ? MetricLabel.cut(values[$0]) : "" }
        return self.series(key) { zip(names, key).map { MetricLabel($0, $1) } }
    }

    /// The series with labels of its own, where each has such.
    ///
    /// Labels of names that are the same on a page are one: the last counts. One without a value is none (Prometheus,
    /// "Data model"), and one whose name is reserved is shown as Prometheus shows those of targets, with `exported_`
    /// before it.
    func series(_ labels: [(String, String)]) -> Instrument {
        let labels = Self.usable(labels)
        return self.series(labels.flatMap { [$0.shown, $0.label.value] }) { labels.map(\.label) }
    }

    private static func usable(_ labels: [(String, String)]) -> [(shown: String, label: MetricLabel)] {
        var usable: [String: MetricLabel] = [:]
        for (name, value) in labels where !name.isEmpty && !value.isEmpty {
            let name = MetricLabel.cut(MetricName.isReserved(label: name) ? "exported_" + name : name)
            usable[MetricName.underscored(name, colons: false)] = MetricLabel(name, value)
        }
        return usable.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private func series(_ key: [String], _ labels: () -> [MetricLabel]) -> Instrument {
        let (instrument, isOver) = self.state.withLock { state -> (Instrument, Bool) in
            if let series = state.series[key] { return (series.instrument, false) }
            let isOver = state.series.count >= self.limit
            if isOver, let series = state.overflow { return (series.instrument, true) }
            let series = Series(
                labels: isOver ? [MetricLabel("overflow", "true")] : labels(), instrument: self.make(),
                createdAt: self.now())
            if isOver { state.overflow = series } else { state.series[key] = series }
            state.sorted = nil
            return (series.instrument, isOver)
        }
        if isOver { self.overflowed() }
        return instrument
    }

    /// Takes a series with labels of its own off the page. Whoever still holds it counts nowhere.
    func remove(_ labels: [(String, String)]) {
        let key = Self.usable(labels).flatMap { [$0.shown, $0.label.value] }
        self.state.withLock { state in
            guard state.series.removeValue(forKey: key) != nil else { return }
            state.sorted = nil
        }
    }

    /// All series in the order of the page: by their labels, the overflow last.
    var allSeries: [Series] {
        self.state.withLock { state in
            if let sorted = state.sorted { return sorted }
            var sorted = state.series.values.sorted { one, other in
                for (a, b) in zip(one.labels, other.labels) where a != b {
                    return a.name == b.name ? a.value < b.value : a.name < b.name
                }
                return one.labels.count < other.labels.count
            }
            if let overflow = state.overflow { sorted.append(overflow) }
            state.sorted = sorted
            return sorted
        }
    }
}

/// A counter with all its series.
public typealias CounterFamily = MetricFamily<Counter>
/// A gauge with all its series.
public typealias GaugeFamily = MetricFamily<Gauge>
/// A histogram with all its series.
public typealias HistogramFamily = MetricFamily<Histogram>
