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

    /// Prometheus' text format, for whoever does not say.
    public static let text = MetricFormat(kind: .text)
    /// OpenMetrics.
    public static let openMetrics = MetricFormat(kind: .openMetrics)
    /// Protocol buffers.
    public static let protobuf = MetricFormat(kind: .protobuf)

    init(kind: Kind, escaping: MetricName.Escaping = .underscores) {
        self.kind = kind
        self.escaping = escaping
    }

    /// The value of `Content-Type`.
    public var contentType: String {
        let isUTF8 = self.escaping == .allowUTF8
        let type =
            switch self.kind {
            case .text: "text/plain; version=\(isUTF8 ? "1.0.0" : "0.0.4"); charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            case .protobuf:
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        return isUTF8 ? type + "; escaping=allow-utf-8" : type
    }

    /// The form that the values of `Accept` ask for; of two that they like as much, the one that is named first. Text for everything else.
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
            guard let kind = self.kind(of: type, parameters) else { continue }
            let quality = parameters["q"].map { Double($0) ?? 0 } ?? 1
            guard quality > 0, quality <= 1, quality > best?.quality ?? 0 else { continue }
            let escaping: MetricName.Escaping = parameters["escaping"] == "allow-utf-8" ? .allowUTF8 : .underscores
            best = (MetricFormat(kind: kind, escaping: escaping), quality)
        }
        return best?.format ?? .text
    }

    private static func kind(of type: String, _ parameters: [String: String]) -> Kind? {
        switch type {
        case "application/openmetrics-text":
            parameters["version"].map { ["1.0.0", "0.0.1"].contains($0) } ?? true ? .openMetrics : nil
        case "application/vnd.google.protobuf":
            parameters["proto"] == "io.prometheus.client.MetricFamily" && parameters["encoding"] == "delimited"
                ? .protobuf : nil
        case "text/plain": parameters["version"].map { ["0.0.4", "1.0.0"].contains($0) } ?? true ? .text : nil
        case "text/*", "*/*": .text
        case "application/*": .openMetrics
        default: nil
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
