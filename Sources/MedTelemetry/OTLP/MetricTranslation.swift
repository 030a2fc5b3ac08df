// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a metric is called by the semantic conventions of OpenTelemetry, where they have it.
public struct MetricTranslation: Sendable {
    /// Its name: `http.server.request.duration`.
    public var name: String
    /// Its unit, by UCUM.
    public var unit: String
    /// What its labels are called there; those that are not named keep their names.
    public var labels: [String: String]
    /// What the conventions want to know besides, and is the same for all series.
    public var attributes: [OTLPAttribute]

    /// A metric of the conventions.
    public init(_ name: String, unit: String, labels: [String: String] = [:], attributes: [OTLPAttribute] = []) {
        self.name = name
        self.unit = unit
        self.labels = labels
        self.attributes = attributes
    }
}

extension MetricRegistry {
    /// All metrics as they are now, for a collector.
    ///
    /// - Parameter translations: by the names of our metrics, those that the conventions have.
    public func otlpMetrics(_ translations: [String: MetricTranslation] = [:]) -> [OTLPMetric] {
        let time = Self.nanoseconds(self.now())
        return self.snapshot().compactMap { metric in
            let description = metric.description
            let translation =
                translations[description.name] ?? MetricTranslation(description.name, unit: Self.unit(of: description))
            let points = metric.series.map { series in
                Point(
                    attributes: series.labels.map {
                        OTLPAttribute(conventional: translation.labels[$0.name] ?? $0.name, $0.value)
                    } + translation.attributes,
                    start: Self.nanoseconds(series.startTime), time: time, value: series.value)
            }
            guard !points.isEmpty else { return nil }
            let data: OTLPMetric.Data =
                switch description.kind {
                case .counter: .sum(points.compactMap(\.number), isMonotonic: true, .cumulative)
                case .gauge: .gauge(points.compactMap(\.number))
                case .histogram: .histogram(points.compactMap(\.histogram), .cumulative)
                }
            return OTLPMetric(
                name: translation.name, description: description.help, unit: translation.unit, data: data)
        }
    }

    /// One series on its way.
    private struct Point {
        let attributes: [OTLPAttribute]
        let start: UInt64
        let time: UInt64
        let value: MetricValue

        var number: OTLPNumberPoint? {
            switch self.value {
            case .whole(let value): self.number(.int(Int64(clamping: value)))
            case .number(let value): self.number(.double(value))
            case .histogram: nil
            }
        }

        private func number(_ value: OTLPNumber) -> OTLPNumberPoint {
            OTLPNumberPoint(attributes: self.attributes, start: self.start, time: self.time, value: value)
        }

        var histogram: OTLPHistogramPoint? {
            guard case .histogram(let value) = self.value else { return nil }
            return OTLPHistogramPoint(
                attributes: self.attributes, start: self.start, time: self.time, count: value.count,
                sum: value.isMonotonic ? value.sum : nil, bounds: value.bounds, bucketCounts: value.counts,
                exemplars: value.exemplars.map { exemplar in
                    OTLPExemplar(
                        time: MetricRegistry.nanoseconds(exemplar.time), value: .double(exemplar.value),
                        traceID: TraceID(exemplar.traceID), spanID: SpanID(exemplar.spanID))
                })
        }
    }

    fileprivate static func nanoseconds(_ milliseconds: Int64) -> UInt64 { UInt64(clamping: milliseconds) * 1_000_000 }

    private static func unit(of description: MetricDescription) -> String {
        switch description.unit {
        case "seconds": "s"
        case "bytes": "By"
        default: ""
        }
    }
}
