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

    /// A metric of the conventions.
    public init(_ name: String, unit: String, labels: [String: String] = [:]) {
        self.name = name
        self.unit = unit
        self.labels = labels
    }
}

extension MetricRegistry {
    /// All metrics as they are now, for a collector.
    ///
    /// - Parameters:
    ///   - translations: by the names of our metrics, those that the conventions have.
    ///   - now: in milliseconds since 1970.
    public func otlpMetrics(_ translations: [String: MetricTranslation], now: Int64) -> [OTLPMetric] {
        self.collect()
        let time = Self.nanoseconds(now)
        return self.families.compactMap { family in
            let description = family.description
            let translation =
                translations[description.name] ?? MetricTranslation(description.name, unit: Self.unit(of: description))
            func attributes(_ labels: [MetricLabel]) -> [OTLPAttribute] {
                labels.map { OTLPAttribute(translation.labels[$0.name] ?? $0.name, .string($0.value)) }
            }
            let data: OTLPMetric.Data
            switch family {
            case .counter(let family):
                data = .sum(
                    family.allSeries.map { series in
                        OTLPNumberPoint(
                            attributes: attributes(series.labels), start: Self.nanoseconds(series.createdAt),
                            time: time,
                            value: series.instrument.wholeValue.map { .int(Int64(clamping: $0)) }
                                ?? .double(series.instrument.value))
                    }, isMonotonic: true, .cumulative)
            case .gauge(let family):
                data = .gauge(
                    family.allSeries.map { series in
                        OTLPNumberPoint(
                            attributes: attributes(series.labels), start: 0, time: time,
                            value: .double(series.instrument.value))
                    })
            case .histogram(let family):
                data = .histogram(
                    family.allSeries.map { series in
                        let histogram = series.instrument
                        let counts = (0...histogram.buckets.bounds.count).map { histogram.count(inBucket: $0) }
                        return OTLPHistogramPoint(
                            attributes: attributes(series.labels), start: Self.nanoseconds(series.createdAt),
                            time: time,
                            count: counts.reduce(0, +), sum: histogram.sum, bounds: histogram.buckets.bounds,
                            bucketCounts: counts,
                            exemplars: histogram.exemplarsByBucket.compactMap(\.self).map { exemplar in
                                OTLPExemplar(
                                    time: Self.nanoseconds(exemplar.time), value: .double(exemplar.value),
                                    traceID: TraceID(exemplar.traceID), spanID: SpanID(exemplar.spanID))
                            })
                    }, .cumulative)
            }
            let metric = OTLPMetric(
                name: translation.name, description: description.help, unit: translation.unit, data: data)
            return metric.pointCount > 0 ? metric : nil
        }
    }

    private static func nanoseconds(_ milliseconds: Int64) -> UInt64 { UInt64(clamping: milliseconds) * 1_000_000 }

    private static func unit(of description: MetricDescription) -> String {
        switch description.unit {
        case "seconds": "s"
        case "bytes": "By"
        default: ""
        }
    }
}
