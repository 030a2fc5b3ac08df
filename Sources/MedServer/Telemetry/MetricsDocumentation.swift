// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import MedTelemetry

/// The metrics as documentation shows them.
public enum MetricsDocumentation {
    /// A Markdown table of all metrics, which stands between the markers `<!-- metrics:begin -->` and `<!-- metrics:end -->`. A test
    /// compares it with the document, and another one the document with what a server shows.
    public static func markdownTable() throws(MetricError) -> String {
        let registry = MetricRegistry()
        _ = try ServerTelemetry(registry, version: "", environment: "", databaseSystem: "")
        let translations = ServerTelemetry.translations(scheme: "", databaseSystem: "")
        var lines = ["| Metric | Kind | Labels | Meaning | Name at a collector |", "|---|---|---|---|---|"]
        for metric in registry.descriptions {
            let translation = translations[metric.name]
            let labels = (metric.labels ?? []).map { label in
                let theirs = translation?.labels[label].map { " (`\($0)`)" }
                return "`\(label)`" + (theirs ?? "")
            }
            let cells = [
                "`\(metric.sampleName)`", metric.kind.rawValue, labels.joined(separator: ", "), metric.help,
                "`\(translation?.name ?? metric.name)`",
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }
}
