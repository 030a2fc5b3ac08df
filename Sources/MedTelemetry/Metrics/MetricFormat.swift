// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How a page of metrics is written.
public struct MetricFormat: Sendable, Hashable {
    /// The language.
    public enum Kind: Sendable, Hashable {
        /// Prometheus' text format 0.0.4.
        case text
        /// OpenMetrics 1.0: the same with exemplars, units and an end.
        case openMetrics
        /// Prometheus' protocol buffers, each message after its length: the one form that native histograms have.
        case protobuf
    }

    /// The language.
    public let kind: Kind
    let escaping: MetricName.Escaping
    /// What is said about it.
    private let version: String
    private let namesEscaping: Bool

    /// Prometheus' text format, for whoever does not say.
    public static let text = MetricFormat(kind: .text)
    /// OpenMetrics.
    public static let openMetrics = MetricFormat(kind: .openMetrics)
    /// Protocol buffers.
    public static let protobuf = MetricFormat(kind: .protobuf)

    /// - Parameters:
    ///   - version: what the scraper called it; the usual one if it did not say.
    ///   - namesEscaping: whether the scraper asked for a way of writing names, and so knows the parameter.
    init(
        kind: Kind, escaping: MetricName.Escaping = .underscores, version: String? = nil, namesEscaping: Bool = false
    ) {
        self.kind = kind
        self.escaping = escaping
        self.version = version ?? (kind == .text ? "0.0.4" : "1.0.0")
        self.namesEscaping = namesEscaping
    }

    /// The value of `Content-Type` (Prometheus, "Scrape protocol content negotiation").
    public var contentType: String {
        let type =
            switch self.kind {
            case .text: "text/plain; version=\(self.version); charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=\(self.version); charset=utf-8"
            case .protobuf:
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        guard self.namesEscaping else { return type }
        return type + (self.escaping == .allowUTF8 ? "; escaping=allow-utf-8" : "; escaping=underscores")
    }

    /// The form that a header field `Accept` asks for; Prometheus' text if there is none.
    public static func negotiate(accept: String?) -> MetricFormat { self.negotiate(accept: accept.map { [$0] } ?? []) }

    /// The form that the values of `Accept` ask for; of two that they like as much, the one that is named first. Text
    /// for everything else.
    ///
    /// - Parameter accept: the values of the header fields, in order (RFC 9110 §12.5.1).
    public static func negotiate(accept: [String]) -> MetricFormat {
        var best: (format: MetricFormat, quality: Double)?
        for range in accept.flatMap({ $0.split(separator: ",") }) {
            let parts = range.split(separator: ";").map { $0.trimmed }
            guard let type = parts.first?.lowercased() else { continue }
            var parameters: [String: String] = [:]
            for part in parts.dropFirst() {
                let sides = part.split(separator: "=", maxSplits: 1).map { $0.trimmed }
                guard sides.count == 2 else { continue }
                parameters[sides[0].lowercased()] = String(sides[1]).filter { $0 != "\"" }
            }
            guard let format = self.format(of: type, parameters) else { continue }
            let quality = parameters["q"].map { Double($0) ?? 0 } ?? 1
            guard quality > 0, quality <= 1, quality > best?.quality ?? 0 else { continue }
            best = (format, quality)
        }
        return best?.format ?? .text
    }

    private static func format(of type: String, _ parameters: [String: String]) -> MetricFormat? {
        let version = parameters["version"]
        // Of the ways that Prometheus knows, we have two; the others are not refused, but answered with what we say it
        // is. Versions from before there were quoted names have none.
        let escaping =
            ["0.0.4", "0.0.1"].contains(version)
            ? nil
            : parameters["escaping"].map { $0 == "allow-utf-8" ? MetricName.Escaping.allowUTF8 : .underscores }
        func format(_ kind: Kind, _ version: String?) -> MetricFormat {
            MetricFormat(
                kind: kind, escaping: escaping ?? .underscores, version: version, namesEscaping: escaping != nil)
        }
        switch type {
        case "application/openmetrics-text":
            // 0.0.1 is what Prometheus called OpenMetrics before it was one; the pages are the same.
            return [nil, "1.0.0", "0.0.1"].contains(version) ? format(.openMetrics, version) : nil
        case "application/vnd.google.protobuf":
            return parameters["proto"] == "io.prometheus.client.MetricFamily" && parameters["encoding"] == "delimited"
                ? format(.protobuf, nil) : nil
        case "text/plain":
            // 1.0.0 is 0.0.4 with names that may be quoted.
            return [nil, "0.0.4", "1.0.0"].contains(version) ? format(.text, version) : nil
        case "text/*", "*/*": return .text
        case "application/*": return .openMetrics
        default: return nil
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
