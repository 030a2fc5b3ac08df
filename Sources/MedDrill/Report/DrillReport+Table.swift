// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension DrillReport {
    /// The report as text: a line for each part, the failures below the part that they belong to, and the verdict.
    public var table: String {
        var lines = [
            Self.line("", ["seconds", "requests", "a second", "failed", "retried", "p50 ms", "p99 ms", "slowest ms"])
        ]
        for part in self.parts {
            lines.append(
                Self.line(
                    part.title,
                    [
                        Self.number(part.seconds, 1), "\(part.requests)",
                        Self.number(part.seconds > 0 ? Double(part.requests) / part.seconds : 0, 0), "\(part.failed)",
                        "\(part.retried)", Self.number(part.median, 2), Self.number(part.p99, 2),
                        Self.number(part.slowest, 2),
                    ]))
            for (reason, count) in part.failures.sorted(by: { $0.key < $1.key }) {
                lines.append("    \(count) × \(reason)")
            }
        }
        lines.append("")
        lines.append(
            "Writes: \(self.acknowledged) acknowledged, \(self.missing) of them missing, \(self.repeated) stored twice."
        )
        let endings = self.endings.sorted { $0.key < $1.key }.map { "\($1) × \($0)" }.joined(separator: ", ")
        lines.append("Processes ended: \(endings.isEmpty ? "none" : endings).")
        let updates = self.parts.filter(\.isUpdate)
        lines.append("Rolling updates: \(updates.count), with \(self.failedInUpdates) failed requests.")
        lines += self.findings.map { "Unwanted: \($0)." }
        if let aborted = self.aborted { lines.append("Aborted: \(aborted)") }
        return lines.joined(separator: "\n")
    }

    private static func line(_ title: String, _ cells: [String]) -> String {
        title.padding(toLength: 26, withPad: " ", startingAt: 0)
            + cells.map { String(repeating: " ", count: max(11 - $0.count, 1)) + $0 }.joined()
    }

    private static func number(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", locale: Locale(identifier: "en_US_POSIX"), value)
    }
}
