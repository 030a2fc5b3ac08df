// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A page in one of the two text formats: Prometheus' 0.0.4 ("Exposition formats") and OpenMetrics 1.0.
struct TextPage {
    private let isOpenMetrics: Bool
    private let escaping: MetricName.Escaping
    private let showsCreated: Bool
    private var form: RenderedNames.Form {
        RenderedNames.Form(isOpenMetrics: self.isOpenMetrics, escaping: self.escaping)
    }

    init(_ format: MetricFormat, showsCreated: Bool) {
        self.isOpenMetrics = format.kind == .openMetrics
        self.escaping = format.escaping
        self.showsCreated = showsCreated && format.kind == .openMetrics
    }

    func render(_ families: [MetricRegistry.Family], into page: inout [UInt8]) {
        for family in families {
            switch family {
            case .counter(let family): self.render(family, into: &page)
            case .gauge(let family): self.render(family, into: &page)
            case .histogram(let family): self.render(family, into: &page)
            }
        }
        if self.isOpenMetrics { page.append(contentsOf: "# EOF\n".utf8) }
    }

    // MARK: - Kinds

    private func render(_ family: MetricFamily<Counter>, into page: inout [UInt8]) {
        let all = family.allSeries
        guard !all.isEmpty else { return }
        self.head(family.description, into: &page)
        for series in all {
            let texts = series.rendered.texts(self.form) {
                [
                    self.start(family.description, "_total", series.labels),
                    self.start(family.description, "_created", series.labels),
                ]
            }
            page.append(contentsOf: texts[0])
            if let whole = series.instrument.wholeValue {
                NumberText.append(whole, to: &page)
            } else {
                NumberText.append(series.instrument.value, to: &page)
            }
            page.append(Self.newline)
            self.created(texts[1], series.createdAt, into: &page)
        }
    }

    private func render(_ family: MetricFamily<Gauge>, into page: inout [UInt8]) {
        let all = family.allSeries
        guard !all.isEmpty else { return }
        self.head(family.description, into: &page)
        for series in all {
            let texts = series.rendered.texts(self.form) { [self.start(family.description, "", series.labels)] }
            page.append(contentsOf: texts[0])
            NumberText.append(series.instrument.value, to: &page)
            page.append(Self.newline)
        }
    }

    private func render(_ family: MetricFamily<Histogram>, into page: inout [UInt8]) {
        let all = family.allSeries
        guard !all.isEmpty else { return }
        self.head(family.description, into: &page)
        for series in all {
            let histogram = series.instrument
            let bounds = histogram.buckets.bounds
            let texts = series.rendered.texts(self.form) { self.texts(family.description, series.labels, bounds) }
            let exemplars = self.isOpenMetrics ? histogram.exemplarsByBucket : []
            var count: UInt64 = 0
            for index in 0...bounds.count {
                count += histogram.count(inBucket: index)
                page.append(contentsOf: texts[index])
                NumberText.append(count, to: &page)
                if index < exemplars.count, let exemplar = exemplars[index] { self.append(exemplar, to: &page) }
                page.append(Self.newline)
            }
            page.append(contentsOf: texts[bounds.count + 1])
            if histogram.buckets.areSeconds {
                NumberText.append(nanoseconds: histogram.wholeSum, to: &page)
            } else {
                NumberText.append(histogram.sum, to: &page)
            }
            page.append(Self.newline)
            page.append(contentsOf: texts[bounds.count + 2])
            NumberText.append(count, to: &page)
            page.append(Self.newline)
            self.created(texts[bounds.count + 3], series.createdAt, into: &page)
        }
    }

    /// What comes before each number of a histogram: its buckets, its sum, its count, its beginning.
    private func texts(_ description: MetricDescription, _ labels: [MetricLabel], _ bounds: [Double]) -> [[UInt8]] {
        let buckets = (bounds + [.infinity]).map { bound in
            var text: [UInt8] = []
            NumberText.append(bound, keepsPoint: self.isOpenMetrics, to: &text)
            return self.start(description, "_bucket", labels, le: String(decoding: text, as: UTF8.self))
        }
        return buckets + ["_sum", "_count", "_created"].map { self.start(description, $0, labels) }
    }

    // MARK: - Parts

    private static let newline = UInt8(ascii: "\n")

    /// HELP, TYPE and UNIT.
    private func head(_ description: MetricDescription, into page: inout [UInt8]) {
        // In the old format, the metric has the name of its samples.
        let name = self.name(self.isOpenMetrics ? description.name : description.sampleName)
        page.append(contentsOf: "# HELP ".utf8)
        page.append(contentsOf: name.utf8)
        page.append(UInt8(ascii: " "))
        Self.appendEscaped(description.help, quotes: self.isOpenMetrics, to: &page)
        page.append(contentsOf: "\n# TYPE ".utf8)
        page.append(contentsOf: name.utf8)
        page.append(UInt8(ascii: " "))
        page.append(contentsOf: description.kind.rawValue.utf8)
        page.append(Self.newline)
        guard self.isOpenMetrics, let unit = description.unit else { return }
        page.append(contentsOf: "# UNIT ".utf8)
        page.append(contentsOf: name.utf8)
        page.append(UInt8(ascii: " "))
        page.append(contentsOf: unit.utf8)
        page.append(Self.newline)
    }

    /// A name outside of braces: quoted if it is not of the old alphabet.
    private func name(_ name: String) -> String {
        guard self.escaping == .allowUTF8 else { return MetricName.underscored(name) }
        return MetricName.isPlain(name) ? name : Self.quoted(name)
    }

    private func labelName(_ name: String) -> String {
        guard self.escaping == .allowUTF8 else { return MetricName.underscored(name, colons: false) }
        return MetricName.isPlain(name, colons: false) ? name : Self.quoted(name)
    }

    /// `name{label="value"} `; a name that is not of the old alphabet stands within the braces.
    private func start(
        _ description: MetricDescription, _ suffix: String, _ labels: [MetricLabel], le: String? = nil
    ) -> [UInt8] {
        let name = description.name + suffix
        let isInside = self.escaping == .allowUTF8 && !MetricName.isPlain(name)
        var text = Array(isInside ? "".utf8 : self.name(name).utf8)
        var parts: [[UInt8]] = isInside ? [Array(Self.quoted(name).utf8)] : []
        for label in labels {
            var part = Array("\(self.labelName(label.name))=\"".utf8)
            Self.appendEscaped(label.value, quotes: true, to: &part)
            part.append(UInt8(ascii: "\""))
            parts.append(part)
        }
        if let le { parts.append(Array("le=\"\(le)\"".utf8)) }
        if !parts.isEmpty {
            text.append(UInt8(ascii: "{"))
            text.append(contentsOf: parts.joined(separator: [UInt8(ascii: ",")]))
            text.append(UInt8(ascii: "}"))
        }
        text.append(UInt8(ascii: " "))
        return text
    }

    private func created(_ start: [UInt8], _ time: Int64, into page: inout [UInt8]) {
        guard self.showsCreated else { return }
        page.append(contentsOf: start)
        NumberText.append(Double(time) / 1000, to: &page)
        page.append(Self.newline)
    }

    private func append(_ exemplar: Exemplar, to page: inout [UInt8]) {
        page.append(contentsOf: " # {trace_id=\"".utf8)
        Self.appendEscaped(exemplar.traceID, quotes: true, to: &page)
        page.append(contentsOf: "\",span_id=\"".utf8)
        Self.appendEscaped(exemplar.spanID, quotes: true, to: &page)
        page.append(contentsOf: "\"} ".utf8)
        NumberText.append(exemplar.value, to: &page)
        page.append(UInt8(ascii: " "))
        NumberText.append(Double(exemplar.time) / 1000, to: &page)
    }

    private static func quoted(_ text: String) -> String {
        var bytes = [UInt8(ascii: "\"")]
        self.appendEscaped(text, quotes: true, to: &bytes)
        return String(decoding: bytes, as: UTF8.self) + "\""
    }

    /// A backslash and a newline are escaped everywhere, a quote where the text is in quotes, and in the help of OpenMetrics.
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
