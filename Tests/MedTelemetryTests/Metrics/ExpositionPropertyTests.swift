// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

/// Whatever is put into a registry is what a strict reader of its pages finds, in every text format.
@Suite struct ExpositionPropertyTests {
    /// The same numbers every time (SplitMix64).
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state &+= 0x9E37_79B9_7F4A_7C15
            var z = self.state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// What was put in.
    private struct Put {
        var kind: MetricDescription.Kind
        var help: String
        var labels: [String]
        var gauges: [[String]: Double] = [:]
        var observed: [[String]: [Double]] = [:]
    }

    private static let pieces = [
        "a", "B", "7", "_", ":", ".", "-", " ", "\"", "\\", "\\n", "{", "}", ",", "=", "#", " # ", "é", "e\u{301}", "ß",
        "😀", "\u{202E}",
        "le", "total", "sum", "'", "+Inf", "NaN", "# EOF",
    ]
    private static let controls = ["\n", "\r", "\r\n", "\t", "\0", "\u{85}", "\u{2028}"]
    private static let values = [
        Double.nan, .infinity, -.infinity, 1e308, -1e308, -0.0, 0, 1, -1, 0.1 + 0.2, Double.leastNonzeroMagnitude, 1e-9,
        9_007_199_254_740_992,
        1e19, 123_456_789.123,
    ]

    private static func text(_ pieces: [String], _ count: ClosedRange<Int>, _ numbers: inout Numbers) -> String {
        var text = ""
        for _ in 0..<Int.random(in: count, using: &numbers) { text += pieces.randomElement(using: &numbers) ?? "" }
        return text
    }

    private static func value(_ numbers: inout Numbers) -> Double {
        Bool.random(using: &numbers)
            ? self.values.randomElement(using: &numbers) ?? 0 : Double(bitPattern: numbers.next())
    }

    /// Registers what can be, and puts something into it.
    private static func fill(_ registry: MetricRegistry, _ numbers: inout Numbers) -> [String: Put] {
        var put: [String: Put] = [:]
        for _ in 0..<8 {
            let name = self.text(self.pieces, 1...4, &numbers)
            let help = self.text(self.pieces + self.controls.filter { $0 != "\n" }, 0...6, &numbers)
            let labels = (0..<Int.random(in: 0...3, using: &numbers)).map { _ in self.text(self.pieces, 1...3, &numbers)
            }
            let keys = (0..<4).map { _ in
                labels.map { _ in self.text(self.pieces + self.controls, 0...6, &numbers) }
            }
            switch Int.random(in: 0..<3, using: &numbers) {
            case 0:
                guard let family = try? registry.counter(name, help: help, labels: labels) else { continue }
                var new = put[family.description.name] ?? Put(kind: .counter, help: help, labels: labels)
                for key in keys {
                    let amount = Double.random(in: 0...1e6, using: &numbers)
                    let whole = Int.random(in: 0...1_000_000, using: &numbers)
                    let counter = family.with(values: key)
                    let isWhole = Bool.random(using: &numbers)
                    if isWhole { counter.increment(by: whole) } else { counter.increment(by: amount) }
                    new.observed[key, default: []].append(isWhole ? Double(whole) : amount)
                }
                put[family.description.name] = new
            case 1:
                guard let family = try? registry.gauge(name, help: help, labels: labels) else { continue }
                var new = put[name] ?? Put(kind: .gauge, help: help, labels: labels)
                for key in keys {
                    let value = self.value(&numbers)
                    family.with(values: key).set(value)
                    new.gauges[key] = value
                }
                put[name] = new
            default:
                guard
                    let family = try? registry.histogram(
                        name, help: help, labels: labels, buckets: HistogramBuckets(bounds: [0.001, 1, 1e6, 1e7]))
                else { continue }
                var new = put[name] ?? Put(kind: .histogram, help: help, labels: labels)
                for key in keys {
                    for value in (0..<3).map({ _ in self.value(&numbers) }) where !value.isNaN {
                        family.with(values: key).observe(value)
                        new.observed[key, default: []].append(value)
                    }
                    _ = family.with(values: key)
                    new.observed[key, default: []] += []
                }
                put[name] = new
            }
        }
        return put
    }

    private static func underscored(_ name: String, colons: Bool) -> String {
        var isFirst = true
        return String(
            String.UnicodeScalarView(
                name.unicodeScalars.map { scalar in
                    defer { isFirst = false }
                    let isTaken =
                        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
                        || (!isFirst && ("0"..."9").contains(scalar)) || (colons && scalar == ":")
                    return isTaken ? scalar : "_"
                }))
    }

    private static func isSame(_ one: Double, _ other: Double) -> Bool {
        one.bitPattern == other.bitPattern || (one.isNaN && other.isNaN)
    }

    @Test(arguments: [
        MetricFormat.text, .openMetrics,
        MetricFormat.negotiate(accept: "text/plain;version=1.0.0;escaping=allow-utf-8"),
        MetricFormat.negotiate(accept: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"),
    ])
    func `a page reads as what was put in`(format: MetricFormat) throws {
        let isUTF8 = format.escaping == .allowUTF8
        let isOpenMetrics = format.kind == .openMetrics
        for seed in 0..<200 as Range<UInt64> {
            var numbers = Numbers(state: seed)
            let registry = MetricRegistry()
            let put = Self.fill(registry, &numbers)
            let page = registry.page(format)
            let families: [ExpositionParser.Family]
            do {
                families = try ExpositionParser.parse(page, isOpenMetrics: isOpenMetrics)
            } catch {
                Issue.record("\(error)\n\(String(decoding: page, as: UTF8.self))")
                continue
            }
            let shown = families.filter { !$0.name.hasPrefix("medbuilder_") }
            #expect(shown.count == put.count)
            for (name, put) in put {
                let suffix = put.kind == .counter && !isOpenMetrics ? "_total" : ""
                let pageName = (isUTF8 ? name : Self.underscored(name, colons: true)) + suffix
                let family = try #require(shown.first { $0.name.utf8.elementsEqual(pageName.utf8) }, "\(pageName)")
                #expect(family.type == put.kind.rawValue)
                #expect(family.help.map { $0.utf8.elementsEqual(put.help.utf8) } == true)
                self.check(family, put, isUTF8: isUTF8, isOpenMetrics: isOpenMetrics, seed)
            }
        }
    }

    private func check(
        _ family: ExpositionParser.Family, _ put: Put, isUTF8: Bool, isOpenMetrics: Bool, _ seed: UInt64
    ) {
        let names = put.labels.map { isUTF8 ? $0 : Self.underscored($0, colons: false) }
        /// The values of the samples of a series, by suffix and bound.
        func values(_ key: [String]) -> [String: Double] {
            let wanted = zip(names, key).map { Array("\($0) \($1)".utf8) }
            var values: [String: Double] = [:]
            for sample in family.samples {
                let labels = sample.labels.filter { $0.name != "le" }.map { Array("\($0.name) \($0.value)".utf8) }
                guard labels == wanted else { continue }
                let bound = sample.labels.first { $0.name == "le" }?.value ?? ""
                values[sample.name.dropFirst(family.name.count) + bound] = sample.value
            }
            return values
        }
        var count = 0
        for (key, value) in put.gauges {
            #expect(values(key)[""].map { Self.isSame($0, value) } == true, "seed \(seed), \(family.name) \(key)")
            count += 1
        }
        for (key, observed) in put.observed {
            let values = values(key)
            guard put.kind == .histogram else {
                let value = values[isOpenMetrics ? "_total" : ""] ?? .nan
                let sum = observed.reduce(0, +)
                #expect(abs(value - sum) <= sum * 1e-12, "seed \(seed), \(family.name) \(key)")
                count += 1
                continue
            }
            for (bound, text) in [
                (0.001, "0.001"), (1, isOpenMetrics ? "1.0" : "1"), (1e6, "1e+06"), (.infinity, "+Inf"),
            ] {
                #expect(values["_bucket" + text] == Double(observed.count { $0 <= bound }), "seed \(seed)")
            }
            if isOpenMetrics, observed.contains(where: { $0 < 0 }) {
                #expect(values["_sum"] == nil && values["_count"] == nil)
                count += 5
            } else {
                #expect(values["_count"] == Double(observed.count), "seed \(seed)")
                // Infinities decide, whatever finite numbers have come to before them.
                let infinities = observed.filter(\.isInfinite)
                let sum = (infinities.isEmpty ? observed : infinities).reduce(0, +)
                #expect(values["_sum"].map { Self.isSame($0, sum) } == true, "seed \(seed)")
                count += 7
            }
        }
        // And nothing else.
        #expect(family.samples.count == count)
    }
}
