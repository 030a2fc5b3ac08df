// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A page in one of the two text formats: Prometheus' 0.0.4 ("Exposition formats") and OpenMetrics 1.0.
struct TextPage {
    private let form: RenderedTexts.Form
    private let isOpenMetrics: Bool
    private let escaping: MetricName.Escaping
    private let showsCreated: Bool

    init(_ format: MetricFormat, showsCreated: Bool) {
        self.form = RenderedTexts.Form(format)
        self.isOpenMetrics = format.kind == .openMetrics
        self.escaping = format.escaping
        self.showsCreated = showsCreated && format.kind == .openMetrics
    }

    func render(_ families: [MetricRegistry.Family], into page: inout [UInt8]) {
        for family in families {
            switch family {
            case .counter(let family): self.render(family, into: &page, self.counter)
            case .gauge(let family): self.render(family, into: &page, self.gauge)
            case .histogram(let family): self.render(family, into: &page, self.histogram)
            }
        }
        if self.isOpenMetrics { page.append(contentsOf: "# EOF\n".utf8) }
    }

    private func render<Instrument>(
        _ family: MetricFamily<Instrument>, into page: inout [UInt8],
        _ render: (MetricDescription, MetricFamily<Instrument>.Series, inout [UInt8]) -> Void
    ) {
        let all = family.allSeries
        guard !all.isEmpty else { return }
        family.rendered.texts(self.form) { [self.head(family.description)] }.append(0, to: &page)
        for series in all { render(family.description, series, &page) }
    }

    // MARK: - Kinds

    private func counter(
        _ description: MetricDescription, _ series: MetricFamily<Counter>.Series, _ page: inout [UInt8]
    ) {
        let texts = series.rendered.texts(self.form) {
            ["_total", "_created"].map { self.start(description, $0, series.labels) }
        }
        texts.append(0, to: &page)
        if let whole = series.instrument.wholeValue {
            NumberText.append(whole, to: &page)
        } else {
            NumberText.append(series.instrument.value, to: &page)
        }
        page.append(Self.newline)
        self.created(texts, 1, series.createdAt, &page)
    }

    private func gauge(
        _ description: MetricDescription, _ series: MetricFamily<Gauge>.Series, _ page: inout [UInt8]
    ) {
        series.rendered.texts(self.form) { [self.start(description, "", series.labels)] }.append(0, to: &page)
        NumberText.append(series.instrument.value, to: &page)
        page.append(Self.newline)
    }

    private func histogram(
        _ description: MetricDescription, _ series: MetricFamily<Histogram>.Series, _ page: inout [UInt8]
    ) {
        let histogram = series.instrument
        let bounds = histogram.buckets.bounds
        let texts = series.rendered.texts(self.form) { self.texts(description, series.labels, bounds) }
        let exemplars = self.isOpenMetrics ? histogram.exemplars : []
        var count: UInt64 = 0
        for index in 0...bounds.count {
            count += histogram.count(inBucket: index)
            texts.append(index, to: &page)
            NumberText.append(count, to: &page)
            if index < exemplars.count, let exemplar = exemplars[index] { self.append(exemplar, to: &page) }
            page.append(Self.newline)
        }
        // OpenMetrics has a sum that only grows, or neither sum nor count ("Histogram").
        if !self.isOpenMetrics || histogram.isMonotonic {
            texts.append(bounds.count + 1, to: &page)
            switch histogram.total {
            case .nanoseconds(let sum): NumberText.append(nanoseconds: sum, to: &page)
            case .number(let sum): NumberText.append(sum, to: &page)
            }
            page.append(Self.newline)
            texts.append(bounds.count + 2, to: &page)
            NumberText.append(count, to: &page)
            page.append(Self.newline)
        }
        self.created(texts, bounds.count + 3, series.createdAt, &page)
    }

    /// What comes before each number of a histogram: its buckets, its sum, its count, its beginning.
    private func texts(_ description: MetricDescription, _ labels: [MetricLabel], _ bounds: [Double]) -> [[UInt8]] {
        let buckets = (bounds + [.infinity]).map { bound in
            var text: [UInt8] = []
            NumberText.append(bound: bound, keepsPoint: self.isOpenMetrics, to: &text)
            return self.start(description, "_bucket", labels, le: text)
        }
        return buckets + ["_sum", "_count", "_created"].map { self.start(description, $0, labels) }
    }

    // MARK: - Parts

    private static let newline = UInt8(ascii: "\n")

    /// HELP and TYPE, or TYPE, UNIT and HELP: each format has its order.
    private func head(_ description: MetricDescription) -> [UInt8] {
        // In the old format, the metric has the name of its samples.
        let name = self.name(self.isOpenMetrics ? description.name : description.sampleName)
        var help = Array("# HELP \(name) ".utf8)
        Self.appendEscaped(description.help, quotes: self.isOpenMetrics, to: &help)
        help.append(Self.newline)
        let type = Array("# TYPE \(name) \(description.kind.rawValue)\n".utf8)
        guard self.isOpenMetrics else { return help + type }
        return type + Array((description.unit.map { "# UNIT \(name) \($0)\n" } ?? "").utf8) + help
    }

    /// A name outside of braces: quoted if it is not of the old alphabet.
    private func name(_ name: String, colons: Bool = true) -> String {
        guard self.escaping == .allowUTF8 else { return MetricName.underscored(name, colons: colons) }
        return MetricName.isPlain(name, colons: colons) ? name : Self.quoted(name)
    }

    /// `name{label="value"} `; a name that is not of the old alphabet stands within the braces.
    private func start(
        _ description: MetricDescription, _ suffix: String, _ labels: [MetricLabel], le: [UInt8]? = nil
    ) -> [UInt8] {
        let name = self.name(description.name + suffix)
        let isInside = name.utf8.first == UInt8(ascii: "\"")
        var text = isInside ? [] : Array(name.utf8)
        var parts = isInside ? [Array(name.utf8)] : []
        for label in labels {
            var part = Array("\(self.name(label.name, colons: false))=\"".utf8)
            Self.appendEscaped(label.value, quotes: true, to: &part)
            part.append(UInt8(ascii: "\""))
            parts.append(part)
        }
        if let le { parts.append(Array("le=\"".utf8) + le + [UInt8(ascii: "\"")]) }
        if !parts.isEmpty {
            text.append(UInt8(ascii: "{"))
            text.append(contentsOf: parts.joined(separator: [UInt8(ascii: ",")]))
            text.append(UInt8(ascii: "}"))
        }
        text.append(UInt8(ascii: " "))
        return text
    }

    private func created(_ texts: RenderedTexts.Texts, _ index: Int, _ time: Int64, _ page: inout [UInt8]) {
        guard self.showsCreated else { return }
        texts.append(index, to: &page)
        NumberText.append(milliseconds: time, to: &page)
        page.append(Self.newline)
    }

    /// The ids are hexadecimal digits, which need no escaping.
    private func append(_ exemplar: Exemplar, to page: inout [UInt8]) {
        page.append(contentsOf: " # {trace_id=\"".utf8)
        page.append(contentsOf: exemplar.traceID.utf8)
        page.append(contentsOf: "\",span_id=\"".utf8)
        page.append(contentsOf: exemplar.spanID.utf8)
        page.append(contentsOf: "\"} ".utf8)
        NumberText.append(exemplar.value, to: &page)
        page.append(UInt8(ascii: " "))
        NumberText.append(milliseconds: exemplar.time, to: &page)
    }

    private static func quoted(_ text: String) -> String {
        var bytes = [UInt8(ascii: "\"")]
        self.appendEscaped(text, quotes: true, to: &bytes)
        return String(decoding: bytes, as: UTF8.self) + "\""
    }

    /// A backslash and a newline are escaped everywhere, a quote where the text is in quotes, and in the help of
    /// OpenMetrics.
    private static func appendEscaped(_ text: String, quotes: Bool, to page: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): page.append(contentsOf: "\\\\".utf8)
            case UInt8(ascii: "\n"): page.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\"") where quotes: page.append(contentsOf: "\\\"".utf8)
            default: page.append(byte)
            }
        }
    }
}
