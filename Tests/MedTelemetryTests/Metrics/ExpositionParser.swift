// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Reads a page of metrics in one of the two text formats, and refuses whatever the format does not allow: OpenMetrics
/// 1.0 ("Text format", its ABNF and the rules of each type), and Prometheus' 0.0.4 ("Exposition formats"), each with
/// the quoted names of Prometheus 3.
///
/// It shares nothing with what writes the pages.
struct ExpositionParser {
    /// One line with a value.
    struct Sample: Equatable {
        var name: String
        var labels: [Label]
        var value: Double
        var timestamp: Double?
        var exemplar: Exemplar?
    }

    struct Label: Equatable, Hashable {
        var name: String
        var value: String
    }

    struct Exemplar: Equatable {
        var labels: [Label]
        var value: Double
        var timestamp: Double?
    }

    /// A metric with its samples.
    struct Family: Equatable {
        var name: String
        var type: String?
        var unit: String?
        var help: String?
        var samples: [Sample] = []
    }

    /// Which line is wrong, and why.
    struct Failure: Error, Equatable, CustomStringConvertible {
        var line: Int
        var description: String
    }

    /// The families of a page.
    static func parse(_ page: [UInt8], isOpenMetrics: Bool) throws(Failure) -> [Family] {
        guard let text = String(validating: page, as: UTF8.self) else {
            throw Failure(line: 0, description: "The page is not UTF-8.")
        }
        var parser = ExpositionParser(isOpenMetrics: isOpenMetrics)
        return try parser.parse(text)
    }

    private static let suffixes = [
        "counter": ["_total", "_created"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count", "_created"],
        "gaugehistogram": ["_bucket", "_gsum", "_gcount"], "summary": ["", "_sum", "_count", "_created"],
        "info": ["_info"], "stateset": [""], "unknown": [""],
    ]
    private static let oldSuffixes = [
        "counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"], "summary": ["", "_sum", "_count"],
        "untyped": [""],
    ]

    private let isOpenMetrics: Bool
    private var families: [Family] = []
    private var line = 0

    private init(isOpenMetrics: Bool) { self.isOpenMetrics = isOpenMetrics }

    private func failure(_ reason: String) -> Failure { Failure(line: self.line, description: reason) }

    private mutating func parse(_ text: String) throws(Failure) -> [Family] {
        // By bytes: to Swift, a carriage return and a newline are one character.
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        var isOver = false
        for line in lines {
            self.line += 1
            if isOver { throw self.failure("There is something after the end.") }
            if self.isOpenMetrics, line.elementsEqual("# EOF".unicodeScalars) {
                isOver = true
            } else if line.first == "#" {
                try self.readMetadata(Scanner(line))
            } else if line.isEmpty {
                // The old format has empty lines.
                if self.isOpenMetrics { throw self.failure("The line is empty.") }
            } else {
                try self.readSample(Scanner(line))
            }
        }
        if self.isOpenMetrics, !isOver { throw self.failure("The page does not say that it is over.") }
        if !self.isOpenMetrics, let last = text.unicodeScalars.last, last != "\n" {
            throw self.failure("The last line does not end.")
        }
        try self.checkNames()
        for family in self.families { try self.check(family) }
        return self.families
    }

    // MARK: - Lines

    private mutating func readMetadata(_ scanner: Scanner) throws(Failure) {
        var scanner = scanner
        guard let keyword = ["# TYPE ", "# HELP ", "# UNIT "].first(where: { scanner.take($0) }) else {
            if self.isOpenMetrics { throw self.failure("This is no metadata.") }
            // A comment.
            return
        }
        guard keyword != "# UNIT " || self.isOpenMetrics else { return }
        let name: String
        if scanner.isNext("\"") {
            name = try self.quoted(&scanner)
        } else {
            name = scanner.take { Self.isNameScalar($0, colons: true) }
            guard Self.isName(name, colons: true) else { throw self.failure("This is no name.") }
        }
        guard scanner.take(" ") else { throw self.failure("There is no space after the name.") }
        if self.families.last?.name != name {
            guard !self.families.contains(where: { $0.name == name }) else {
                throw self.failure("The family was there before.")
            }
            self.families.append(Family(name: name))
        }
        let last = self.families.count - 1
        guard self.families[last].samples.isEmpty else { throw self.failure("There are samples before the metadata.") }
        switch keyword {
        case "# TYPE ":
            guard self.families[last].type == nil else { throw self.failure("There are two types.") }
            let type = scanner.rest
            guard (self.isOpenMetrics ? Self.suffixes : Self.oldSuffixes)[type] != nil else {
                throw self.failure("This is no type.")
            }
            self.families[last].type = type
        case "# UNIT ":
            guard self.families[last].unit == nil else { throw self.failure("There are two units.") }
            let unit = scanner.rest
            guard unit.isEmpty || name.hasSuffix("_" + unit) else {
                throw self.failure("The unit is not the end of the name.")
            }
            guard unit.unicodeScalars.allSatisfy({ Self.isNameScalar($0, colons: true) }) else {
                throw self.failure("This is no unit.")
            }
            self.families[last].unit = unit
        default:
            guard self.families[last].help == nil else { throw self.failure("There are two helps.") }
            self.families[last].help = try self.unescaped(scanner.rest, quotes: self.isOpenMetrics)
        }
    }

    private mutating func readSample(_ scanner: Scanner) throws(Failure) {
        var scanner = scanner
        var name = scanner.take { Self.isNameScalar($0, colons: true) }
        var labels: [Label] = []
        if scanner.isNext("{") {
            let (quotedName, list) = try self.labels(&scanner, hasName: name.isEmpty)
            if let quotedName { name = quotedName }
            labels = list
            guard quotedName != nil || Self.isName(name, colons: true) else { throw self.failure("This is no name.") }
        } else {
            guard Self.isName(name, colons: true) else { throw self.failure("This is no name.") }
        }
        guard scanner.take(" ") else { throw self.failure("There is no space before the value.") }
        let value = try self.number(&scanner, isTime: false)
        var timestamp: Double?
        var exemplar: Exemplar?
        if !scanner.isAtEnd, !scanner.isNext(" # ") {
            guard scanner.take(" ") else { throw self.failure("There is something after the value.") }
            timestamp = try self.number(&scanner, isTime: true)
        }
        if self.isOpenMetrics, scanner.take(" # ") {
            let (_, labels) = try self.labels(&scanner, hasName: false)
            guard scanner.take(" ") else { throw self.failure("The exemplar has no value.") }
            exemplar = Exemplar(labels: labels, value: try self.number(&scanner, isTime: false))
            if scanner.take(" ") { exemplar?.timestamp = try self.number(&scanner, isTime: true) }
            guard labels.reduce(0, { $0 + $1.name.unicodeScalars.count + $1.value.unicodeScalars.count }) <= 128 else {
                throw self.failure("The labels of the exemplar are too long.")
            }
        }
        guard scanner.isAtEnd else { throw self.failure("There is something after the sample.") }
        let sample = Sample(name: name, labels: labels, value: value, timestamp: timestamp, exemplar: exemplar)
        if let last = self.families.indices.last, self.belongs(sample, to: self.families[last]) {
            self.families[last].samples.append(sample)
            return
        }
        guard !self.families.contains(where: { self.belongs(sample, to: $0) }) else {
            throw self.failure("The samples of a family are not together.")
        }
        self.families.append(Family(name: name, samples: [sample]))
    }

    private func belongs(_ sample: Sample, to family: Family) -> Bool {
        let suffixes = self.isOpenMetrics ? Self.suffixes : Self.oldSuffixes
        return suffixes[family.type ?? ""]?.contains { sample.name == family.name + $0 } ?? (sample.name == family.name)
    }

    // MARK: - Parts

    private func labels(
        _ scanner: inout Scanner, hasName: Bool
    ) throws(Failure) -> (name: String?, labels: [Label]) {
        guard scanner.take("{") else { throw self.failure("There are no labels.") }
        var name: String?
        var labels: [Label] = []
        if scanner.take("}") { return (nil, []) }
        while true {
            let isQuoted = scanner.isNext("\"")
            let label = isQuoted ? try self.quoted(&scanner) : scanner.take { Self.isNameScalar($0, colons: false) }
            if isQuoted, hasName, name == nil, labels.isEmpty, !scanner.isNext("=") {
                name = label
            } else {
                guard isQuoted ? !label.isEmpty : Self.isName(label, colons: false) else {
                    throw self.failure("This is no name of a label.")
                }
                guard scanner.take("=") else { throw self.failure("The label has no value.") }
                guard !labels.contains(where: { $0.name == label }) else {
                    throw self.failure("A label is there twice.")
                }
                labels.append(Label(name: label, value: try self.quoted(&scanner)))
            }
            if scanner.take("}") { break }
            guard scanner.take(",") else { throw self.failure("There is no comma between labels.") }
            // The old format allows a comma after the last one.
            if !self.isOpenMetrics, scanner.take("}") { break }
        }
        if hasName, name == nil { throw self.failure("There is no name.") }
        return (name, labels)
    }

    private func quoted(_ scanner: inout Scanner) throws(Failure) -> String {
        guard scanner.take("\"") else { throw self.failure("There is no quote.") }
        var isEscaped = false
        let text = scanner.take { scalar in
            if isEscaped {
                isEscaped = false
                return true
            }
            isEscaped = scalar == "\\"
            return scalar != "\""
        }
        guard scanner.take("\"") else { throw self.failure("The quote does not end.") }
        return try self.unescaped(text, quotes: true)
    }

    private func unescaped(_ text: String, quotes: Bool) throws(Failure) -> String {
        var result = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            guard isEscaped || scalar == "\\" else {
                result.append(scalar)
                continue
            }
            guard isEscaped else {
                isEscaped = true
                continue
            }
            isEscaped = false
            switch scalar {
            case "\\": result.append("\\")
            case "n": result.append("\n")
            case "\"" where quotes: result.append("\"")
            default:
                // Allowed by the ABNF, and to be taken as it is.
                result.append("\\")
                result.append(scalar)
            }
        }
        if isEscaped {
            if self.isOpenMetrics { throw self.failure("Nothing is escaped.") }
            result.append("\\")
        }
        return String(result)
    }

    /// `number` of the ABNF, or `timestamp`, which is neither infinite nor no number.
    private func number(_ scanner: inout Scanner, isTime: Bool) throws(Failure) -> Double {
        let text = scanner.take { $0 != " " }
        let lowercased = text.lowercased()
        if !isTime {
            if lowercased == "nan" { return .nan }
            let unsigned = ["+", "-"].contains(lowercased.prefix(1)) ? lowercased.dropFirst() : lowercased[...]
            if unsigned == "inf" || unsigned == "infinity" { return text.first == "-" ? -.infinity : .infinity }
        }
        // `Double` reads more than this: hexadecimal numbers, `nan(1)`.
        guard lowercased.wholeMatch(of: /[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?/) != nil,
            let value = Double(lowercased)
        else { throw self.failure("This is no number.") }
        return value
    }

    private static func isNameScalar(_ scalar: Unicode.Scalar, colons: Bool) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "_")
            || (colons && scalar == ":")
    }

    private static func isName(_ name: String, colons: Bool) -> Bool {
        guard let first = name.unicodeScalars.first, first.properties.numericType == nil else { return false }
        return name.unicodeScalars.allSatisfy { self.isNameScalar($0, colons: colons) }
    }

    // MARK: - Rules

    /// No two families may have a name of a sample in common ("Suffixes").
    private func checkNames() throws(Failure) {
        var owners: Set<String> = []
        for family in self.families {
            let suffixes = (self.isOpenMetrics ? Self.suffixes : Self.oldSuffixes)[family.type ?? ""] ?? []
            for suffix in Set(suffixes + [""]) where !owners.insert(family.name + suffix).inserted {
                throw Failure(line: 0, description: "Two families have the name \(family.name + suffix).")
            }
        }
    }

    private func check(_ family: Family) throws(Failure) {
        func failure(_ reason: String) -> Failure { Failure(line: 0, description: "\(family.name): \(reason)") }
        let type = family.type ?? "unknown"
        if ["info", "stateset"].contains(type), family.unit?.isEmpty == false { throw failure("It has a unit.") }
        var seen: Set<[Label]> = []
        var group: [Label]?
        var members: [Sample] = []
        for sample in family.samples {
            let suffix = String(sample.name.dropFirst(family.name.count))
            try self.check(sample, suffix, type, family.name)
            let labels = self.group(of: sample, suffix, type, family.name)
            if labels != group {
                if type != "info", !seen.insert(labels).inserted {
                    throw failure("The samples of a series are not together.")
                }
                try self.check(members, type, family.name)
                (group, members) = (labels, [])
            }
            if let last = members.last {
                guard (last.timestamp == nil) == (sample.timestamp == nil) else {
                    throw failure("Some samples of a series have a time and others not.")
                }
                if let before = last.timestamp, let now = sample.timestamp, before > now, type != "info" {
                    throw failure("Time runs backwards.")
                }
            }
            let isTwice = members.contains {
                $0.name == sample.name && Set($0.labels) == Set(sample.labels) && $0.timestamp == sample.timestamp
            }
            if isTwice { throw failure("A sample is there twice.") }
            members.append(sample)
        }
        try self.check(members, type, family.name)
    }

    /// The labels of the series, without that of the sample.
    private func group(of sample: Sample, _ suffix: String, _ type: String, _ name: String) -> [Label] {
        let own: String? =
            switch type {
            case "histogram" where suffix == "_bucket", "gaugehistogram" where suffix == "_bucket": "le"
            case "summary" where suffix.isEmpty: "quantile"
            case "stateset": name
            default: nil
            }
        return sample.labels.filter { $0.name != own }.sorted { $0.name < $1.name }
    }

    private func check(_ sample: Sample, _ suffix: String, _ type: String, _ name: String) throws(Failure) {
        func failure(_ reason: String) -> Failure { Failure(line: 0, description: "\(name): \(reason)") }
        func label(_ name: String) -> String? { sample.labels.first { $0.name == name }?.value }
        let isBucket = suffix == "_bucket" && ["histogram", "gaugehistogram"].contains(type)
        if isBucket {
            guard let le = label("le"), let bound = Double(le.replacing("Inf", with: "inf")), !bound.isNaN,
                bound.isFinite || le == "+Inf"
            else { throw failure("A bucket has no bound.") }
            if let exemplar = sample.exemplar, exemplar.value > bound {
                throw failure("An exemplar is not in its bucket.")
            }
        }
        if sample.exemplar != nil, !isBucket, !(type == "counter" && suffix == "_total") {
            throw failure("It cannot have an exemplar.")
        }
        guard self.isOpenMetrics else { return }
        let isCount = isBucket || ["_count", "_gcount"].contains(suffix)
        if isCount, sample.value.isFinite, sample.value != sample.value.rounded() {
            throw failure("A count is no whole number.")
        }
        let isCounting =
            isCount || (suffix == "_total" && type == "counter")
            || (suffix == "_sum" && ["histogram", "summary"].contains(type))
        if isCounting, sample.value.isNaN || sample.value < 0 {
            throw failure("It is counted, and negative or no number.")
        }
        if suffix == "_gsum", sample.value.isNaN { throw failure("The sum is no number.") }
        switch type {
        case "summary" where suffix.isEmpty:
            guard let quantile = label("quantile").flatMap({ Double($0) }), (0...1).contains(quantile) else {
                throw failure("A quantile is none.")
            }
            if sample.value < 0 { throw failure("The value of a quantile is negative.") }
        case "stateset":
            guard label(name) != nil else { throw failure("A state has no name.") }
            if sample.value != 0, sample.value != 1 { throw failure("A state is neither true nor false.") }
        case "info":
            if sample.value != 1 { throw failure("An info is not 1.") }
        default: break
        }
    }

    /// The rules for the samples of one series; those of one time are one point.
    private func check(_ samples: [Sample], _ type: String, _ name: String) throws(Failure) {
        guard ["histogram", "gaugehistogram"].contains(type), !samples.isEmpty else { return }
        func failure(_ reason: String) -> Failure { Failure(line: 0, description: "\(name): \(reason)") }
        for time in Set(samples.map(\.timestamp)) {
            let point = samples.filter { $0.timestamp == time }
            let buckets = point.filter { $0.name == name + "_bucket" }
            let bounds = buckets.compactMap { bucket in
                bucket.labels.first { $0.name == "le" }.flatMap { Double($0.value.replacing("Inf", with: "inf")) }
            }
            guard bounds.last == .infinity else { throw failure("The last bucket is not that to +Inf.") }
            guard zip(bounds, bounds.dropFirst()).allSatisfy({ $0 < $1 }) else {
                throw failure("The buckets do not grow.")
            }
            let values = buckets.map(\.value)
            guard zip(values, values.dropFirst()).allSatisfy({ $0 <= $1 }) else {
                throw failure("The counts do not grow.")
            }
            func value(_ suffixes: [String]) -> Double? {
                point.first { sample in suffixes.contains { sample.name == name + $0 } }?.value
            }
            let count = value(["_count", "_gcount"])
            let sum = value(["_sum", "_gsum"])
            if let count, count != values.last { throw failure("The count is not that of the last bucket.") }
            guard self.isOpenMetrics else {
                if count == nil || sum == nil { throw failure("There is no sum or no count.") }
                continue
            }
            guard (count == nil) == (sum == nil) else {
                throw failure("There is a sum without a count, or the other way.")
            }
            if bounds.first ?? 0 < 0, type == "histogram", sum != nil {
                throw failure("There is a sum, though values may be negative.")
            }
            if bounds.first ?? 0 >= 0, type == "gaugehistogram", sum ?? 0 < 0 { throw failure("The sum is negative.") }
        }
    }
}

extension ExpositionParser {
    /// What is left of a line.
    private struct Scanner {
        private var text: Substring.UnicodeScalarView

        init(_ text: Substring.UnicodeScalarView) { self.text = text }

        var isAtEnd: Bool { self.text.isEmpty }
        var rest: String { String(self.text) }

        func isNext(_ prefix: String) -> Bool { self.text.starts(with: prefix.unicodeScalars) }

        mutating func take(_ prefix: String) -> Bool {
            guard self.isNext(prefix) else { return false }
            self.text.removeFirst(prefix.unicodeScalars.count)
            return true
        }

        mutating func take(while isTaken: (Unicode.Scalar) -> Bool) -> String {
            let taken = self.text.prefix(while: isTaken)
            self.text.removeFirst(taken.count)
            return String(taken)
        }
    }
}
