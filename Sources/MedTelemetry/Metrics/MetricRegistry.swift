// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// All metrics of a process.
///
/// A mistake in registering one is thrown at the start, where somebody sees it, and never makes a page that cannot be
/// read:
///
/// ```swift
/// let registry = MetricRegistry()
/// let depth = try registry.gauge("queue_depth", help: "Jobs that wait.")
/// depth.with().set(3)
/// let page = registry.page(.text)
/// ```
public final class MetricRegistry: Sendable {
    /// A family of whatever kind.
    enum Family: Sendable {
        case counter(CounterFamily)
        case gauge(GaugeFamily)
        case histogram(HistogramFamily)

        var description: MetricDescription {
            switch self {
            case .counter(let family): family.description
            case .gauge(let family): family.description
            case .histogram(let family): family.description
            }
        }
    }

    private struct State {
        var families: [String: Family] = [:]
        /// Which metric has a name of the page.
        var pageNames: [String: String] = [:]
        var sorted: [Family]?
        var collectors: [@Sendable () -> Void] = []
    }

    private let seriesLimit: Int
    private let metricLimit: Int
    private let showsCreated: Bool
    /// The time, in milliseconds since 1970.
    package let now: @Sendable () -> Int64
    private let state = Mutex(State())
    private let overflows: CounterFamily
    private let refusals: CounterFamily

    /// Creates a registry with no metrics but two of its own: how often a metric was asked for a series too many, and
    /// for a value that is none.
    ///
    /// - Parameters:
    ///   - seriesLimit: how many series a metric has at most; what would be more goes to one series together.
    ///   - metricLimit: how many metrics there are at most.
    ///   - showsCreated: whether OpenMetrics and protobuf pages say since when each series has been counted.
    ///   - now: the time, in milliseconds since 1970; the system's clock if not given.
    public init(
        seriesLimit: Int = 2000,
        metricLimit: Int = 10_000,
        showsCreated: Bool = false,
        now: (@Sendable () -> Int64)? = nil
    ) {
        let now = now ?? LogTimestamp.systemNow
        self.seriesLimit = seriesLimit
        self.metricLimit = metricLimit
        self.showsCreated = showsCreated
        self.now = now
        // There are no more series than metrics.
        func own(_ name: String, _ help: String) -> CounterFamily {
            MetricFamily(
                MetricDescription(name: name, kind: .counter, help: help, labels: ["metric"], buckets: nil),
                limit: .max, now: now, overflowed: {}, make: { Counter() })
        }
        self.overflows = own(
            "medbuilder_metric_series_overflows", "How often a metric was asked for one series more than it may have.")
        self.refusals = own(
            "medbuilder_metric_values_refused",
            "Values that were left out of a metric: negative ones of a counter, and what is no number.")
        self.state.withLock { state in
            for family in [self.overflows, self.refusals] {
                state.families[family.description.name] = .counter(family)
                for name in Self.pageNames(of: family.description) { state.pageNames[name] = family.description.name }
            }
        }
    }

    // MARK: - Registering

    /// A counter; the same one if it was registered before.
    ///
    /// - Parameters:
    ///   - name: with or without `_total`, which the page adds.
    ///   - help: what is counted, in one sentence.
    ///   - labels: the names of the labels; nil if each series has its own.
    /// - Throws: ``MetricError`` if the name or a label cannot be used, or is in use for something else.
    public func counter(
        _ name: String, help: String, labels: [String]? = []
    ) throws(MetricError) -> CounterFamily {
        let name = name.hasSuffix("_total") ? String(name.dropLast(6)) : name
        let family = try self.register(
            MetricDescription(name: name, kind: .counter, help: help, labels: labels, buckets: nil)
        ) { description in
            let refused = self.refused(description)
            return .counter(self.family(description) { Counter(refused: refused) })
        }
        guard case .counter(let family) = family else { throw Self.isDifferent(name) }
        return family
    }

    /// A gauge; the same one if it was registered before.
    ///
    /// - Throws: as ``counter(_:help:labels:)``.
    public func gauge(_ name: String, help: String, labels: [String]? = []) throws(MetricError) -> GaugeFamily {
        let family = try self.register(
            MetricDescription(name: name, kind: .gauge, help: help, labels: labels, buckets: nil)
        ) { .gauge(self.family($0) { Gauge() }) }
        guard case .gauge(let family) = family else { throw Self.isDifferent(name) }
        return family
    }

    /// A histogram; the same one if it was registered before.
    ///
    /// - Throws: as ``counter(_:help:labels:)``.
    public func histogram(
        _ name: String, help: String, labels: [String]? = [], buckets: HistogramBuckets = .seconds
    ) throws(MetricError) -> HistogramFamily {
        let family = try self.register(
            MetricDescription(name: name, kind: .histogram, help: help, labels: labels, buckets: buckets)
        ) { description in
            let refused = self.refused(description)
            return .histogram(self.family(description) { Histogram(buckets: buckets, refused: refused) })
        }
        guard case .histogram(let family) = family else { throw Self.isDifferent(name) }
        return family
    }

    /// Calls `collect` before every page and every snapshot, to bring up to date what is not counted but looked at;
    /// those that were given, one after the other. It must be quick, and must not ask for a page itself.
    public func onCollect(_ collect: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.collectors.append(collect) }
    }

    private func refused(_ description: MetricDescription) -> @Sendable () -> Void {
        let name = description.sampleName
        return { [refusals] in refusals.with(name).increment() }
    }

    private func family<Instrument>(
        _ description: MetricDescription, _ make: @escaping @Sendable () -> Instrument
    ) -> MetricFamily<Instrument> {
        let name = description.sampleName
        return MetricFamily(
            description, limit: self.seriesLimit, now: self.now,
            overflowed: { [overflows] in overflows.with(name).increment() }, make: make)
    }

    private func register(
        _ description: MetricDescription, _ make: (MetricDescription) -> Family
    ) throws(MetricError) -> Family {
        try Self.check(description)
        let result = self.state.withLock { state -> Result<Family, MetricError> in
            if let family = state.families[description.name] {
                return family.description == description
                    ? .success(family) : .failure(Self.isDifferent(description.name))
            }
            guard state.families.count < self.metricLimit else {
                return .failure(
                    MetricError(
                        code: .tooManyMetrics,
                        description:
                            "Metric '\(description.name)' cannot be registered: there are \(self.metricLimit) already. "
                            + "What varies belongs into a label."))
            }
            let names = Self.pageNames(of: description)
            for name in names {
                guard let other = state.pageNames[name] else { continue }
                return .failure(
                    MetricError(
                        code: .nameCollision,
                        description: "Metric '\(description.name)' cannot be registered: "
                            + "'\(other)' already has the name '\(name)' on the page. Give one of them another name."))
            }
            let family = make(description)
            state.families[description.name] = family
            for name in names { state.pageNames[name] = description.name }
            state.sorted = nil
            return .success(family)
        }
        return try result.get()
    }

    private static func isDifferent(_ name: String) -> MetricError {
        MetricError(
            code: .differentMetric,
            description: "Metric '\(name)' is registered with another type, other labels, other buckets or another "
                + "help. Register it in one place.")
    }

    /// Every name that a metric has on a page, of the metric and of its samples, in both ways of writing it.
    private static func pageNames(of description: MetricDescription) -> Set<String> {
        let suffixes =
            switch description.kind {
            case .counter: ["", "_total", "_created"]
            case .gauge: [""]
            case .histogram: ["", "_bucket", "_sum", "_count", "_created"]
            }
        return Set(suffixes.flatMap { [description.name + $0, MetricName.underscored(description.name) + $0] })
    }

    private static func check(_ description: MetricDescription) throws(MetricError) {
        guard MetricName.isValid(description.name) else {
            throw MetricError(
                code: .invalidName,
                description: "The name of a metric is empty, longer than \(MetricName.maxLength) bytes, "
                    + "or has control characters.")
        }
        let labels = description.labels ?? []
        for label in labels {
            guard MetricName.isValid(label), !MetricName.isReserved(label: label),
                labels.count(where: { Self.underscored($0) == Self.underscored(label) }) == 1
            else {
                throw MetricError(
                    code: .invalidLabel,
                    description:
                        "Metric '\(description.name)' cannot have the label '\(label)': it is empty, longer than "
                        + "\(MetricName.maxLength) bytes, reserved ('le', 'overflow', '__…'), or there twice.")
            }
        }
    }

    private static func underscored(_ label: String) -> String { MetricName.underscored(label, colons: false) }

    // MARK: - Reading

    /// All metrics in the order of the page: by name.
    private var families: [Family] {
        self.state.withLock { state in
            if let sorted = state.sorted { return sorted }
            let sorted = state.families.values.sorted { $0.description.name < $1.description.name }
            state.sorted = sorted
            return sorted
        }
    }

    /// What all metrics are, by name.
    public var descriptions: [MetricDescription] { self.families.map(\.description) }

    private func collect() { for collect in self.state.withLock({ $0.collectors }) { collect() } }

    /// All metrics that have series, by name, as plain values that do not change any more.
    public func snapshot() -> [MetricSnapshot] {
        self.collect()
        return self.families.map { family in
            let series =
                switch family {
                case .counter(let family):
                    family.allSeries.map { series in
                        series.snapshot(
                            series.instrument.wholeValue.map { .whole($0) } ?? .number(series.instrument.value))
                    }
                case .gauge(let family): family.allSeries.map { $0.snapshot(.number($0.instrument.value)) }
                case .histogram(let family): family.allSeries.map { $0.snapshot(.histogram($0.instrument.snapshot)) }
                }
            return MetricSnapshot(description: family.description, series: series)
        }.filter { !$0.series.isEmpty }
    }

    /// A page for a scraper.
    public func page(_ format: MetricFormat) -> [UInt8] {
        var page: [UInt8] = []
        self.render(format, into: &page)
        return page
    }

    /// A page for a scraper, written into memory that is used again: `page` is emptied first and keeps its capacity.
    public func render(_ format: MetricFormat, into page: inout [UInt8]) {
        self.collect()
        page.removeAll(keepingCapacity: true)
        switch format.kind {
        case .text, .openMetrics: TextPage(format, showsCreated: self.showsCreated).render(self.families, into: &page)
        case .protobuf: ProtobufPage(format, showsCreated: self.showsCreated).render(self.families, into: &page)
        }
    }
}

extension MetricFamily.Series {
    fileprivate func snapshot(_ value: MetricValue) -> MetricSnapshot.Series {
        MetricSnapshot.Series(labels: self.labels, startTime: self.createdAt, value: value)
    }
}
