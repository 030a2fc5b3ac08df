// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A page of `io.prometheus.client.MetricFamily` messages, each after its length (prometheus/client_model, `metrics.proto`). It is the one
/// form in which Prometheus takes native histograms.
struct ProtobufPage {
    /// `MetricType` of the schema.
    private enum MetricType: UInt64 {
        case counter = 0
        case gauge = 1
        case histogram = 4
    }

    let escaping: MetricName.Escaping

    func render(_ families: [MetricRegistry.Family], into page: inout [UInt8]) {
        for family in families {
            var writer = ProtobufWriter()
            switch family {
            case .counter(let family): self.write(family, .counter, to: &writer, self.counter)
            case .gauge(let family): self.write(family, .gauge, to: &writer, self.gauge)
            case .histogram(let family): self.write(family, .histogram, to: &writer, self.histogram)
            }
            page.append(contentsOf: writer.bytes)
        }
    }

    private func write<Instrument>(
        _ family: MetricFamily<Instrument>, _ type: MetricType, to writer: inout ProtobufWriter,
        _ value: (MetricFamily<Instrument>.Series, inout ProtobufWriter) -> Void
    ) {
        let all = family.allSeries
        guard !all.isEmpty else { return }
        writer.delimited { message in
            message.text(1, self.name(family.description.sampleName))
            message.text(2, family.description.help)
            message.unsigned(3, type.rawValue, keepsDefault: true)
            for series in all {
                message.message(4) { metric in
                    for label in series.labels {
                        metric.message(1) { pair in
                            pair.text(1, self.name(label.name, colons: false))
                            pair.text(2, label.value, keepsDefault: true)
                        }
                    }
                    value(series, &metric)
                }
            }
        }
    }

    private func name(_ name: String, colons: Bool = true) -> String {
        self.escaping == .allowUTF8 ? name : MetricName.underscored(name, colons: colons)
    }

    private func counter(_ series: MetricFamily<Counter>.Series, _ metric: inout ProtobufWriter) {
        metric.message(3) { $0.double(1, series.instrument.value, keepsDefault: true) }
    }

    private func gauge(_ series: MetricFamily<Gauge>.Series, _ metric: inout ProtobufWriter) {
        metric.message(2) { $0.double(1, series.instrument.value, keepsDefault: true) }
    }

    private func histogram(_ series: MetricFamily<Histogram>.Series, _ metric: inout ProtobufWriter) {
        let histogram = series.instrument
        let bounds = histogram.buckets.bounds
        let exemplars = histogram.exemplarsByBucket
        let native = histogram.nativeSnapshot
        metric.message(7) { message in
            var count: UInt64 = 0
            var buckets = ProtobufWriter()
            for index in 0...bounds.count {
                count += histogram.count(inBucket: index)
                buckets.message(3) { bucket in
                    bucket.unsigned(1, count, keepsDefault: true)
                    bucket.double(2, index < bounds.count ? bounds[index] : .infinity)
                    if index < exemplars.count, let exemplar = exemplars[index] {
                        bucket.message(3) { self.write(exemplar, to: &$0) }
                    }
                }
            }
            // Prometheus refuses a native histogram whose count is not that of its buckets: the two are counted one after the other.
            message.unsigned(1, native?.total ?? count, keepsDefault: true)
            message.double(2, histogram.sum, keepsDefault: true)
            message.append(buckets)
            if let native { self.write(native, to: &message) }
        }
    }

    private func write(_ native: NativeBuckets.Snapshot, to message: inout ProtobufWriter) {
        message.zigzag(5, Int64(NativeBuckets.schema), keepsDefault: true)
        message.double(6, NativeBuckets.zeroThreshold)
        message.unsigned(7, native.zeroCount, keepsDefault: true)
        message.message(12) { span in
            span.zigzag(1, Int64(native.offset))
            span.unsigned(2, UInt64(native.counts.count))
        }
        // Each count is told as what it is more than the one before it.
        var last: Int64 = 0
        for count in native.counts {
            let count = Int64(clamping: count)
            message.zigzag(13, count - last, keepsDefault: true)
            last = count
        }
    }

    private func write(_ exemplar: Exemplar, to message: inout ProtobufWriter) {
        for (name, value) in [("trace_id", exemplar.traceID), ("span_id", exemplar.spanID)] {
            message.message(1) { pair in
                pair.text(1, name)
                pair.text(2, value)
            }
        }
        message.double(2, exemplar.value, keepsDefault: true)
        message.message(3) { timestamp in
            timestamp.signed(1, exemplar.time / 1000)
            timestamp.signed(2, exemplar.time % 1000 * 1_000_000)
        }
    }
}
