// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A page of `io.prometheus.client.MetricFamily` messages, each after its length (prometheus/client_model,
/// `metrics.proto`). It is the one form in which Prometheus takes native histograms.
///
/// It writes into the page at once, where ``ProtobufWriter`` has memory for each message: ten thousand series are read
/// every few seconds.
struct ProtobufPage {
    /// `MetricType` of the schema.
    private enum MetricType: UInt64 {
        case counter = 0
        case gauge = 1
        case histogram = 4
    }

    private let form: RenderedTexts.Form
    private let escaping: MetricName.Escaping
    private let showsCreated: Bool

    init(_ format: MetricFormat, showsCreated: Bool) {
        self.form = RenderedTexts.Form(format)
        self.escaping = format.escaping
        self.showsCreated = showsCreated
    }

    func render(_ families: [MetricRegistry.Family], into page: inout [UInt8]) {
        for family in families {
            switch family {
            case .counter(let family): self.render(family, .counter, into: &page, self.counter)
            case .gauge(let family): self.render(family, .gauge, into: &page, self.gauge)
            case .histogram(let family): self.render(family, .histogram, into: &page, self.histogram)
            }
        }
    }

    private func render<Instrument>(
        _ family: MetricFamily<Instrument>, _ type: MetricType, into page: inout [UInt8],
        _ render: (MetricFamily<Instrument>.Series, inout [UInt8]) -> Void
    ) {
        let all = family.allSeries
        guard !all.isEmpty else { return }
        Self.sized(&page) { page in
            family.rendered.texts(self.form) { [self.head(family.description, type)] }.append(0, to: &page)
            for series in all {
                Self.message(4, &page) { page in
                    series.rendered.texts(self.form) { [self.labels(series.labels)] }.append(0, to: &page)
                    render(series, &page)
                }
            }
        }
    }

    // MARK: - Kinds

    private func head(_ description: MetricDescription, _ type: MetricType) -> [UInt8] {
        var bytes: [UInt8] = []
        Self.text(1, self.name(description.sampleName), &bytes)
        Self.text(2, description.help, &bytes)
        Self.unsigned(3, type.rawValue, &bytes)
        if let unit = description.unit { Self.text(5, unit, &bytes) }
        return bytes
    }

    private func labels(_ labels: [MetricLabel]) -> [UInt8] {
        var bytes: [UInt8] = []
        for label in labels { Self.pair(1, self.name(label.name, colons: false), label.value, &bytes) }
        return bytes
    }

    private func name(_ name: String, colons: Bool = true) -> String {
        self.escaping == .allowUTF8 ? name : MetricName.underscored(name, colons: colons)
    }

    private func counter(_ series: MetricFamily<Counter>.Series, _ page: inout [UInt8]) {
        Self.message(3, &page) { page in
            Self.double(1, series.instrument.value, &page)
            if self.showsCreated { Self.timestamp(3, series.createdAt, &page) }
        }
    }

    private func gauge(_ series: MetricFamily<Gauge>.Series, _ page: inout [UInt8]) {
        Self.message(2, &page) { Self.double(1, series.instrument.value, &$0) }
    }

    private func histogram(_ series: MetricFamily<Histogram>.Series, _ page: inout [UInt8]) {
        let histogram = series.instrument
        let bounds = histogram.buckets.bounds
        let exemplars = histogram.exemplars
        Self.message(7, &page) { page in
            // Prometheus refuses a native histogram whose count is not that of its buckets. The two kinds of buckets
            // are counted one after the other, so a value may be in one of them alone for a moment; what a page says is
            // one count nevertheless.
            let total = histogram.native.map { self.write($0, &page) }
            var count: UInt64 = 0
            for index in 0...bounds.count {
                count += histogram.count(inBucket: index)
                let shown = index < bounds.count ? min(count, total ?? .max) : total ?? count
                Self.message(3, &page) { page in
                    Self.unsigned(1, shown, &page)
                    Self.double(2, index < bounds.count ? bounds[index] : .infinity, &page)
                    if index < exemplars.count, let exemplar = exemplars[index] {
                        Self.message(3, &page) { self.write(exemplar, &$0) }
                    }
                }
            }
            Self.unsigned(1, total ?? count, &page)
            Self.double(2, histogram.sum, &page)
            if self.showsCreated { Self.timestamp(15, series.createdAt, &page) }
        }
    }

    /// Writes the fields of a native histogram, and says how many values were in what it wrote.
    private func write(_ native: NativeBuckets, _ page: inout [UInt8]) -> UInt64 {
        var total = native.zeroCount
        Self.signed(5, Int64(NativeBuckets.schema), &page)
        Self.double(6, NativeBuckets.zeroThreshold, &page)
        Self.unsigned(7, total, &page)
        let range = native.range
        // A span without buckets says that there is a native histogram, though nothing is in it.
        Self.message(12, &page) { page in
            Self.signed(1, Int64(range?.lowerBound ?? 0), &page)
            Self.unsigned(2, UInt64(range?.count ?? 0), &page)
        }
        guard let range else { return total }
        // Each count is told as what it is more than the one before it.
        var last: Int64 = 0
        for index in range {
            let count = native.count(at: index)
            total += count
            Self.signed(13, Int64(clamping: count) - last, &page)
            last = Int64(clamping: count)
        }
        return total
    }

    private func write(_ exemplar: Exemplar, _ page: inout [UInt8]) {
        Self.pair(1, "trace_id", exemplar.traceID, &page)
        Self.pair(1, "span_id", exemplar.spanID, &page)
        Self.double(2, exemplar.value, &page)
        Self.timestamp(3, exemplar.time, &page)
    }

    // MARK: - Fields

    private static func key(_ field: UInt64, _ type: ProtobufWriter.WireType, _ page: inout [UInt8]) {
        page.append(varint: field << 3 | type.rawValue)
    }

    private static func unsigned(_ field: UInt64, _ number: UInt64, _ page: inout [UInt8]) {
        self.key(field, .varint, &page)
        page.append(varint: number)
    }

    /// A `sint32` or `sint64`.
    private static func signed(_ field: UInt64, _ number: Int64, _ page: inout [UInt8]) {
        self.unsigned(field, number.zigzag, &page)
    }

    private static func double(_ field: UInt64, _ number: Double, _ page: inout [UInt8]) {
        self.key(field, .fixed64, &page)
        withUnsafeBytes(of: number.bitPattern.littleEndian) {
            // The eight bytes of this number.
            page.append(contentsOf: $0)
        }
    }

    private static func text(_ field: UInt64, _ text: String, _ page: inout [UInt8]) {
        self.key(field, .bytes, &page)
        page.append(varint: UInt64(text.utf8.count))
        page.append(contentsOf: text.utf8)
    }

    /// A `LabelPair`.
    private static func pair(_ field: UInt64, _ name: String, _ value: String, _ page: inout [UInt8]) {
        self.message(field, &page) { page in
            self.text(1, name, &page)
            self.text(2, value, &page)
        }
    }

    /// A `google.protobuf.Timestamp` of milliseconds since 1970.
    private static func timestamp(_ field: UInt64, _ time: Int64, _ page: inout [UInt8]) {
        self.message(field, &page) { page in
            self.unsigned(1, UInt64(bitPattern: time / 1000), &page)
            self.unsigned(2, UInt64(bitPattern: time % 1000 * 1_000_000), &page)
        }
    }

    private static func message(_ field: UInt64, _ page: inout [UInt8], _ write: (inout [UInt8]) -> Void) {
        self.key(field, .bytes, &page)
        self.sized(&page, write)
    }

    /// What `write` writes, after its length: there is room for one byte of it, and what was written moves if it has
    /// more.
    @inline(__always)
    private static func sized(_ page: inout [UInt8], _ write: (inout [UInt8]) -> Void) {
        let start = page.count
        page.append(0)
        write(&page)
        var rest = UInt64(page.count - start - 1)
        var position = start
        while rest >= 0x80 {
            page[position] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            position += 1
            page.insert(0, at: position)
        }
        page[position] = UInt8(truncatingIfNeeded: rest)
    }
}
