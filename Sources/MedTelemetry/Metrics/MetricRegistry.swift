// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// All metrics of a process.
///
/// A mistake in registering one is thrown at the start, where somebody sees it, and never makes a page that cannot be read:
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
        case counter(MetricFamily<Counter>)
        case gauge(MetricFamily<Gauge>)
        case histogram(MetricFamily<Histogram>)

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

    private static let overflowName = "medbuilder_metric_series_overflows"
    private let seriesLimit: Int
    let showsCreated: Bool
    private let now: @Sendable () -> Int64
    private let state = Mutex(State())
    private let overflows: MetricFamily<Counter>

    /// Creates an empty registry.
    ///
    /// - Parameters:
    ///   - seriesLimit: how many series a metric has at most; what would be more goes to one series together.
    ///   - showsCreated: whether OpenMetrics pages say since when each series has been counted.
    ///   - now: the time, in milliseconds since 1970; the system's clock if not given.
    public init(
        seriesLimit: Int = 2000,
        showsCreated: Bool = false,
        now: (@Sendable () -> Int64)? = nil
    ) {
        let now = now ?? LogTimestamp.systemNow
        self.seriesLimit = seriesLimit
        self.showsCreated = showsCreated
        self.now = now
        let description = MetricDescription(
            name: Self.overflowName, kind: .counter,
            help: "How often a metric was asked for one series more than it may have.", labels: ["metric"], buckets: nil
        )
        // There are no more series than metrics.
        self.overflows = MetricFamily(description, limit: .max, now: now, overflowed: {}) { Counter() }
        self.state.withLock { state in
            state.families[Self.overflowName] = .counter(self.overflows)
            for name in Self.pageNames(of: description) { state.pageNames[name] = Self.overflowName }
        }
    }

    // MARK: - Registering

    /// A counter; the same one if it was registered before.
    ///
    /// - Parameters:
    ///   - name: without `_total`, which the page adds.
    ///   - help: what is counted, in one sentence.
    ///   - labels: the names of the labels; nil if each series has its own.
    /// - Throws: ``MetricError`` if the name or a label cannot be used, or is in use for something else.
    public func counter(_ name: String, help: String, labels: [String]? = []) throws(MetricError) -> MetricFamily<
        Counter
    > {
        let name = name.hasSuffix("_total") ? String(name.dropLast(6)) : name
        let family = try self.register(
            MetricDescription(name: name, kind: .counter, help: help, labels: labels, buckets: nil)
        ) { .counter(self.family($0) { Counter() }) }
        guard case .counter(let family) = family else { throw self.isDifferent(name) }
        return family
    }

    /// A gauge; the same one if it was registered before.
    ///
    /// - Throws: as ``counter(_:help:labels:)``.
    public func gauge(_ name: String, help: String, labels: [String]? = []) throws(MetricError) -> MetricFamily<Gauge> {
        let family = try self.register(
            MetricDescription(name: name, kind: .gauge, help: help, labels: labels, buckets: nil)
        ) { .gauge(self.family($0) { Gauge() }) }
        guard case .gauge(let family) = family else { throw self.isDifferent(name) }
        return family
    }

    /// A histogram; the same one if it was registered before.
    ///
    /// - Throws: as ``counter(_:help:labels:)``.
    public func histogram(
        _ name: String, help: String, labels: [String]? = [], buckets: HistogramBuckets = .seconds
    ) throws(MetricError) -> MetricFamily<Histogram> {
        let family = try self.register(
            MetricDescription(name: name, kind: .histogram, help: help, labels: labels, buckets: buckets)
        ) { .histogram(self.family($0) { Histogram(buckets: buckets) }) }
        guard case .histogram(let family) = family else { throw self.isDifferent(name) }
        return family
    }

    /// Calls `collect` before every page and every snapshot, to bring up to date what is not counted but looked at. It must be quick.
    public func onCollect(_ collect: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.collectors.append(collect) }
    }

    private func family<Instrument>(
        _ description: MetricDescription, _ make: @escaping @Sendable () -> Instrument
    ) -> MetricFamily<Instrument> {
        let overflows = self.overflows
        return MetricFamily(
            description, limit: self.seriesLimit, now: self.now,
            overflowed: { overflows.with(description.name).increment() }, make: make)
    }

    private func register(
        _ description: MetricDescription, _ make: (MetricDescription) -> Family
    ) throws(MetricError) -> Family {
        try Self.check(description)
        let result = self.state.withLock { state -> Result<Family, MetricError> in
            if let family = state.families[description.name] {
                let old = family.description
                let isSame =
                    old.kind == description.kind && old.labels == description.labels
                    && old.buckets == description.buckets
                return isSame ? .success(family) : .failure(self.isDifferent(description.name))
            }
            for name in Self.pageNames(of: description) {
                guard let other = state.pageNames[name] else { continue }
                return .failure(
                    MetricError(
                        code: .nameCollision,
                        description:
                            "Metric '\(description.name)' cannot be registered: '\(other)' already has the name '\(name)' on the page."
                    ))
            }
            let family = make(description)
            state.families[description.name] = family
            for name in Self.pageNames(of: description) { state.pageNames[name] = description.name }
            state.sorted = nil
            return .success(family)
        }
        return try result.get()
    }

    private func isDifferent(_ name: String) -> MetricError {
        MetricError(
            code: .differentMetric,
            description: "Metric '\(name)' is registered with another type, other labels or other buckets.")
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
        guard !description.name.isEmpty, description.name.utf8.count <= 256 else {
            throw MetricError(
                code: .invalidName, description: "A metric has a name that is empty or longer than 256 bytes.")
        }
        let labels = description.labels ?? []
        for label in labels {
            guard !label.isEmpty, !label.hasPrefix("__"), label != "overflow",
                !(description.kind == .histogram && label == "le"), labels.count(where: { $0 == label }) == 1,
                labels.count(where: { Self.underscored($0) == Self.underscored(label) }) == 1
            else {
                throw MetricError(
                    code: .invalidLabel,
                    description:
                        "Metric '\(description.name)' cannot have the label '\(label)': it is empty, reserved, or there twice."
                )
            }
        }
    }

    private static func underscored(_ label: String) -> String { MetricName.underscored(label, colons: false) }

    // MARK: - Reading

    /// All metrics in the order of the page: by name.
    var families: [Family] {
        self.state.withLock { state in
            if let sorted = state.sorted { return sorted }
            let sorted = state.families.values.sorted { $0.description.name < $1.description.name }
            state.sorted = sorted
            return sorted
        }
    }

    /// What all metrics are, by name.
    public var descriptions: [MetricDescription] { self.families.map(\.description) }

    func collect() { for collect in self.state.withLock({ $0.collectors }) { collect() } }

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
        case .protobuf: ProtobufPage(escaping: format.escaping).render(self.families, into: &page)
        }
    }
}
