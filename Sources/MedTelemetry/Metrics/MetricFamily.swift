// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A metric with all its series.
///
/// ```swift
/// let requests = try registry.counter("http_requests", help: "Requests that were answered.", labels: ["method", "status"])
/// requests.with("GET", "200").increment()
/// ```
///
/// Beyond a limit, what has other labels goes to one series whose only label is `overflow="true"`: a label that somebody outside can choose
/// must not fill the memory.
public final class MetricFamily<Instrument: AnyObject & Sendable>: Sendable {
    /// One combination of labels.
    final class Series: Sendable {
        let labels: [MetricLabel]
        let instrument: Instrument
        /// When it was first asked for, in milliseconds since 1970.
        let createdAt: Int64
        let rendered = RenderedNames()

        init(labels: [MetricLabel], instrument: Instrument, createdAt: Int64) {
            self.labels = labels
            self.instrument = instrument
            self.createdAt = createdAt
        }
    }

    private struct State {
        var series: [[MetricLabel]: Series] = [:]
        var overflow: Series?
        /// In the order of the page; nil when a series has come or gone.
        var sorted: [Series]?
    }

    /// What it is.
    public let description: MetricDescription
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
    }

    /// The series with these values, in the order in which the labels were named. One that is missing is empty, one too many is left out.
    public func with(_ values: String...) -> Instrument {
        let names = self.description.labels ?? []
        return self.series(
            names.enumerated().map { MetricLabel($1, $0 < values.count ? values[$0] : "") })
    }

    /// The series with these labels, made if there is none.
    func series(_ labels: [MetricLabel]) -> Instrument {
        let (instrument, isOver) = self.state.withLock { state -> (Instrument, Bool) in
            if let series = state.series[labels] { return (series.instrument, false) }
            let isOver = state.series.count >= self.limit
            if isOver, let series = state.overflow { return (series.instrument, true) }
            let series = Series(
                labels: isOver ? [MetricLabel("overflow", "true")] : labels, instrument: self.make(),
                createdAt: self.now())
            if isOver { state.overflow = series } else { state.series[labels] = series }
            state.sorted = nil
            return (series.instrument, isOver)
        }
        if isOver { self.overflowed() }
        return instrument
    }

    /// Takes a series off the page.
    func remove(_ labels: [MetricLabel]) {
        self.state.withLock { state in
            state.series[labels] = nil
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
