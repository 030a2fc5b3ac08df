// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension DrillReport {
    /// The report as a picture (SVG 1.1, nothing of which is fetched): requests and failures a second, latency, and how each replica was.
    public var picture: String { Picture(self).text }

    private struct Picture {
        private static let (left, width, height, gap) = (90.0, 900.0, 110.0, 46.0)
        private static let rowHeight = 16.0

        private let report: DrillReport
        private let seconds: Int
        private var requests: [Double]
        private var failures: [Double]
        private var p99: [Double]

        init(_ report: DrillReport) {
            self.report = report
            let last = report.samples.map(\.end).max() ?? 0
            // A second that is not over looks like an outage; but one there must be.
            self.seconds = max(Int(last), 1)
            self.requests = Array(repeating: 0, count: self.seconds)
            self.failures = self.requests
            var latencies = Array(repeating: [UInt32](), count: self.seconds)
            for sample in report.samples {
                let second = Int(sample.end)
                guard second < self.seconds else { continue }
                self.requests[second] += 1
                if sample.fate.isSuccess {
                    latencies[second].append(sample.latency)
                } else {
                    self.failures[second] += 1
                }
            }
            self.p99 = latencies.map { $0.sorted().quantile(0.99) }
        }

        var text: String {
            let slots = (self.report.events.map(\.slot).max() ?? 0) + 1
            let readinessTop = Self.top(3)
            let total = readinessTop + Double(slots) * (Self.rowHeight + 6) + 70
            var parts = [
                """
                <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1020 \(Self.number(total))" role="img" \
                font-family="sans-serif" font-size="11">
                <title>\(self.title)</title>
                <rect width="1020" height="\(Self.number(total))" fill="#ffffff"/>
                <text x="\(Self.number(Self.left))" y="20" font-size="14" font-weight="bold">\(self.title)</text>
                """
            ]
            parts.append(self.marks(bottom: readinessTop + Double(slots) * (Self.rowHeight + 6)))
            parts.append(self.panel(0, "requests a second", self.requests, color: "#1f5fa8"))
            parts.append(self.panel(1, "failed a second", self.failures, color: "#b3261e"))
            parts.append(self.panel(2, "p99 latency, ms", self.p99, color: "#6a4c93"))
            parts.append(self.readiness(slots: slots, top: readinessTop))
            parts.append(self.axis(readinessTop + Double(slots) * (Self.rowHeight + 6)))
            parts.append("</svg>\n")
            return parts.joined(separator: "\n")
        }

        private var title: String {
            let plan = self.report.plan
            let before = plan.proxy == .direct ? "clients choose a replica" : "behind \(plan.proxy.rawValue)"
            return
                "Drill: \(plan.replicas) replicas, \(plan.rate) requests a second, \(before), drain delay \(plan.drainDelay) s"
        }

        private static func top(_ panel: Int) -> Double { 130 + Double(panel) * (self.height + self.gap) }

        private func x(_ second: Double) -> Double {
            Self.left + min(second / Double(max(self.seconds, 1)), 1) * Self.width
        }

        /// A line with the area below it.
        private func panel(_ index: Int, _ title: String, _ values: [Double], color: String) -> String {
            let (top, bottom) = (Self.top(index), Self.top(index) + Self.height)
            let highest = max(values.max() ?? 0, 1)
            let points = values.enumerated().map { second, value in
                "\(Self.number(self.x(Double(second) + 0.5))),\(Self.number(bottom - value / highest * Self.height))"
            }
            return """
                <text x="\(Self.number(Self.left))" y="\(Self.number(top - 8))" font-weight="bold">\(title)</text>
                <text x="\(Self.number(Self.left - 6))" y="\(Self.number(top + 8))" text-anchor="end">\(Self.label(highest))</text>
                <text x="\(Self.number(Self.left - 6))" y="\(Self.number(bottom))" text-anchor="end">0</text>
                <line x1="\(Self.number(Self.left))" y1="\(Self.number(bottom))" x2="\(Self.number(Self.left + Self.width))" \
                y2="\(Self.number(bottom))" stroke="#888888"/>
                <polyline fill="none" stroke="\(color)" stroke-width="1.5" points="\(points.joined(separator: " "))"/>
                """
        }

        /// A line where each part begins, with its name.
        private func marks(bottom: Double) -> String {
            let updates = self.report.parts.count(where: \.isUpdate)
            var time = 0.0
            return self.report.parts.map { part in
                let x = Self.number(self.x(time))
                time += part.seconds
                // Many updates have no room for their names.
                let name = part.isUpdate && updates > 3 ? String(part.title.drop { !$0.isNumber }) : part.title
                return """
                    <line x1="\(x)" y1="100" x2="\(x)" y2="\(Self.number(bottom))" stroke="#cccccc" stroke-dasharray="3 3"/>
                    <text x="\(x)" y="94" transform="rotate(-20 \(x) 94)" fill="#444444">\(Self.escaped(name))</text>
                    """
            }.joined(separator: "\n")
        }

        private static let looks: [(state: DrillEvent.State, color: String)] = [
            (.ready, "#2e7d32"), (.unready, "#f9a825"), (.silent, "#90a4ae"), (.gone, "#eeeeee"),
        ]

        private func readiness(slots: Int, top: Double) -> String {
            var parts = [
                "<text x=\"\(Self.number(Self.left))\" y=\"\(Self.number(top - 8))\" font-weight=\"bold\">each place for a replica</text>"
            ]
            for slot in 0..<slots {
                let y = top + Double(slot) * (Self.rowHeight + 6)
                parts.append(
                    "<text x=\"\(Self.number(Self.left - 6))\" y=\"\(Self.number(y + 12))\" text-anchor=\"end\">place \(slot + 1)</text>"
                )
                let events = self.report.events.filter { $0.slot == slot }
                for (index, event) in events.enumerated() {
                    let end = index + 1 < events.count ? events[index + 1].time : Double(self.seconds)
                    let color = Self.looks.first { $0.state == event.state }?.color ?? "#000000"
                    parts.append(
                        """
                        <rect x="\(Self.number(self.x(event.time)))" y="\(Self.number(y))" \
                        width="\(Self.number(max(self.x(end) - self.x(event.time), 0)))" height="\(Self.number(Self.rowHeight))" \
                        fill="\(color)"><title>\(event.state.rawValue)</title></rect>
                        """)
                }
            }
            return parts.joined(separator: "\n")
        }

        private func axis(_ top: Double) -> String {
            let step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].first { self.seconds / $0 <= 12 } ?? 1200
            var parts = stride(from: 0, through: self.seconds, by: step).map { second in
                "<text x=\"\(Self.number(self.x(Double(second))))\" y=\"\(Self.number(top + 16))\" text-anchor=\"middle\">\(second) s</text>"
            }
            for (index, look) in Self.looks.enumerated() {
                let x = Self.left + Double(index) * 120
                parts.append(
                    """
                    <rect x="\(Self.number(x))" y="\(Self.number(top + 32))" width="12" height="12" fill="\(look.color)"/>\
                    <text x="\(Self.number(x + 18))" y="\(Self.number(top + 42))">\(look.state.rawValue)</text>
                    """)
            }
            return parts.joined(separator: "\n")
        }

        private static func number(_ value: Double) -> String {
            String(format: "%.1f", locale: Locale(identifier: "en_US_POSIX"), value)
        }

        private static func label(_ value: Double) -> String {
            value >= 100 ? String(Int(value.rounded())) : self.number(value)
        }

        private static func escaped(_ text: String) -> String {
            text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        }
    }
}
