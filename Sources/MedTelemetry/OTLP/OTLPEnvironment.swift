// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Reads variables and collects every mistake. A sentence shows a value only where it cannot be a secret: of headers
/// and URLs never.
struct OTLPEnvironment {
    private static let compressions = ["none": false, "gzip": true]

    private let environment: [String: String]
    private(set) var mistakes: [String] = []
    /// Of what the variables are that are read now; nil if they count whatever leaves.
    private var subject: Set<OTLPSignal>?
    /// The variables that have been read and count whatever leaves.
    private var general: Set<String> = []
    /// The other ones that have been read, and of what they are.
    private var special: [String: Set<OTLPSignal>] = [:]

    init(_ environment: [String: String]) { self.environment = environment }

    /// Reads variables that have no effect unless one of these signals leaves.
    mutating func reading<Result>(_ signals: Set<OTLPSignal>, _ body: (inout Self) -> Result) -> Result {
        let outer = self.subject
        self.subject = signals
        defer { self.subject = outer }
        return body(&self)
    }

    mutating func reject(_ sentence: String) {
        // A common variable is read once for each signal.
        if !self.mistakes.contains(sentence) { self.mistakes.append(sentence) }
    }

    /// The variables of OpenTelemetry that are set and were not read, or only for signals that do not leave.
    func unused(leaving: Set<OTLPSignal>) -> [String] {
        self.environment.keys.filter { name in
            name.hasPrefix("OTEL_") && self.value(name) != nil && !self.general.contains(name)
                && self.special[name, default: []].isDisjoint(with: leaving)
        }.sorted()
    }

    /// An empty value counts as none.
    private func value(_ name: String) -> String? {
        guard let value = self.environment[name] else { return nil }
        let trimmed = String(Self.trimmed(value))
        return trimmed.isEmpty ? nil : trimmed
    }

    mutating func text(_ name: String) -> String? {
        if let subject {
            self.special[name, default: []].formUnion(subject)
        } else {
            self.general.insert(name)
        }
        return self.value(name)
    }

    mutating func flag(_ name: String) -> Bool {
        switch self.text(name)?.lowercased() {
        case "true": return true
        case nil, "false": return false
        case _?:
            self.reject("\(name) must be 'true' or 'false'.")
            return false
        }
    }

    mutating func choice<Choice: RawRepresentable>(
        _ name: String, default fallback: Choice, among choices: [Choice]
    ) -> Choice where Choice.RawValue == String {
        guard let value = self.text(name) else { return fallback }
        if let choice = choices.first(where: { $0.rawValue == value.lowercased() }) { return choice }
        self.reject("\(name) is '\(Self.shown(value))'; it can be \(Self.list(choices.map(\.rawValue))).")
        return fallback
    }

    mutating func number(_ name: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        guard let value = self.text(name) else { return fallback }
        if let number = Int(value), range.contains(number) { return number }
        self.reject(
            "\(name) is '\(Self.shown(value))'; it must be a whole number from \(range.lowerBound) to "
                + "\(range.upperBound)."
        )
        return fallback
    }

    mutating func milliseconds(_ name: String, default fallback: Int) -> Duration {
        // At most a day: longer is a mistake of units.
        .milliseconds(self.number(name, default: fallback, in: 1...86_400_000))
    }

    mutating func batching(_ prefix: String, delay: Int) -> OTLPBatching {
        var batching = OTLPBatching(delay: self.milliseconds("\(prefix)_SCHEDULE_DELAY", default: delay))
        batching.exportTimeout = self.milliseconds("\(prefix)_EXPORT_TIMEOUT", default: 30_000)
        batching.queueLimit = self.number("\(prefix)_MAX_QUEUE_SIZE", default: 2048, in: 1...1_000_000)
        let fallback = min(512, batching.queueLimit)
        batching.batchLimit = self.number("\(prefix)_MAX_EXPORT_BATCH_SIZE", default: fallback, in: 1...1_000_000)
        if batching.batchLimit > batching.queueLimit {
            self.reject(
                "\(prefix)_MAX_EXPORT_BATCH_SIZE is \(batching.batchLimit); it must not be above "
                    + "\(prefix)_MAX_QUEUE_SIZE (\(batching.queueLimit)).")
        }
        return batching
    }

    mutating func sampler() -> TraceSampler {
        let name = self.text("OTEL_TRACES_SAMPLER")?.lowercased() ?? "parentbased_always_on"
        let rule: TraceSampler.Rule = name.hasPrefix("parentbased_") ? .parent : .own
        switch rule == .parent ? String(name.dropFirst(12)) : name {
        case "always_on": return TraceSampler(ratio: 1, rule: rule)
        case "always_off": return TraceSampler(ratio: 0, rule: rule)
        case "traceidratio":
            guard let value = self.text("OTEL_TRACES_SAMPLER_ARG") else { return TraceSampler(ratio: 1, rule: rule) }
            if let ratio = Double(value), (0...1).contains(ratio) { return TraceSampler(ratio: ratio, rule: rule) }
            self.reject("OTEL_TRACES_SAMPLER_ARG is '\(Self.shown(value))'; it must be a number from 0 to 1.")
        default:
            let names = ["always_on", "always_off", "traceidratio"]
            self.reject(
                "OTEL_TRACES_SAMPLER is '\(Self.shown(name))'; it can be "
                    + "\(Self.list(names + names.map { "parentbased_\($0)" })).")
        }
        return .parentBasedAlwaysOn
    }

    mutating func propagation() -> W3CPropagation {
        guard let value = self.text("OTEL_PROPAGATORS") else { return W3CPropagation() }
        var formats: W3CPropagation.Formats = []
        for part in value.split(separator: ",") {
            let name = Self.trimmed(part).lowercased()
            switch name {
            case "tracecontext": formats.insert(.traceContext)
            case "baggage": formats.insert(.baggage)
            case "none": break
            default:
                self.reject(
                    "OTEL_PROPAGATORS names '\(Self.shown(name))'; it can name 'tracecontext', 'baggage' or 'none'.")
            }
        }
        return W3CPropagation(formats)
    }

    /// `name=value,…`, percent-encoded (W3C Baggage, without properties).
    mutating func attributes(_ name: String) -> [(key: String, value: String)] {
        guard let text = self.text(name) else { return [] }
        var pairs: [(key: String, value: String)] = []
        for (index, part) in text.split(separator: ",").enumerated() {
            let member = Self.trimmed(part)
            guard !member.isEmpty else { continue }
            let equals = member.firstIndex(of: "=") ?? member.endIndex
            let key = PercentText.decoded(Self.trimmed(member[..<equals]).utf8)
            guard equals != member.endIndex, !key.isEmpty else {
                self.reject("\(name) must be a list of 'name=value' separated by commas; part \(index + 1) is not.")
                continue
            }
            let value = PercentText.decoded(Self.trimmed(member[member.index(after: equals)...]).utf8)
            // The last one counts, as in a dictionary.
            pairs.removeAll { $0.key == key }
            pairs.append((key, value))
        }
        return pairs
    }

    // MARK: Endpoints

    /// The variable of the signal, or else the common one.
    func signalVariable(_ signal: OTLPSignal, _ ending: String) -> String? {
        let names = ["OTEL_EXPORTER_OTLP_\(signal.variable)_\(ending)", "OTEL_EXPORTER_OTLP_\(ending)"]
        return names.first { self.value($0) != nil }
    }

    mutating func endpoint(_ signal: OTLPSignal) -> OTLPEndpoint? { self.reading([signal]) { $0.readEndpoint(signal) } }

    private mutating func readEndpoint(_ signal: OTLPSignal) -> OTLPEndpoint? {
        let exporter = "OTEL_\(signal.variable)_EXPORTER"
        var isWanted = true
        switch self.text(exporter)?.lowercased() {
        case nil, "otlp": break
        case "none":
            isWanted = false
            // It does what it says, though nothing leaves.
            self.general.insert(exporter)
        case let value?: self.reject("\(exporter) is '\(Self.shown(value))'; it can be 'otlp' or 'none'.")
        }
        // The rest is read even if the signal goes nowhere: a mistake shall be seen before it matters.
        var endpoint = OTLPEndpoint(url: "")
        endpoint.headers = self.headers(signal)
        endpoint.form = self.form(signal)
        endpoint.certificates = self.certificates(signal)
        if let name = self.signalVariable(signal, "TIMEOUT") {
            endpoint.timeout = self.milliseconds(name, default: 10_000)
        }
        if let name = self.signalVariable(signal, "COMPRESSION"), let value = self.text(name) {
            if let isCompressed = Self.compressions[value.lowercased()] {
                endpoint.isCompressed = isCompressed
            } else {
                self.reject("\(name) is '\(Self.shown(value))'; it can be 'none' or 'gzip'.")
            }
        }
        guard let url = self.url(signal), isWanted else { return nil }
        endpoint.url = url
        return endpoint
    }

    private mutating func form(_ signal: OTLPSignal) -> OTLPProtocol {
        guard let name = self.signalVariable(signal, "PROTOCOL"), let value = self.text(name)?.lowercased() else {
            return .protobuf
        }
        if let form = OTLPProtocol(rawValue: value) { return form }
        if value == "grpc" {
            self.reject(
                "\(name) is 'grpc', which this server does not speak; set 'http/protobuf' and the collector's port for "
                    + "HTTP, usually 4318.")
        } else {
            self.reject("\(name) is '\(Self.shown(value))'; it can be 'http/protobuf' or 'http/json'.")
        }
        return .protobuf
    }

    private mutating func headers(_ signal: OTLPSignal) -> [OTLPEndpoint.Header] {
        guard let variable = self.signalVariable(signal, "HEADERS") else { return [] }
        var headers: [OTLPEndpoint.Header] = []
        for (name, value) in self.attributes(variable) {
            guard name.utf8.allSatisfy(PercentText.isToken),
                value.utf8.allSatisfy({ (0x20...0x7e).contains($0) || $0 == UInt8(ascii: "\t") })
            else {
                self.reject("\(variable) has a header whose name or value HTTP does not allow.")
                continue
            }
            if ["content-type", "content-length", "content-encoding", "transfer-encoding", "host"]
                .contains(name.lowercased())
            {
                self.reject("\(variable) must not set the header '\(name)', which this server sets itself.")
                continue
            }
            headers.append(OTLPEndpoint.Header(name: name, value: value))
        }
        return headers
    }

    private mutating func url(_ signal: OTLPSignal) -> String? {
        guard let name = self.signalVariable(signal, "ENDPOINT"), let value = self.text(name) else { return nil }
        guard name == "OTEL_EXPORTER_OTLP_ENDPOINT" else {
            if Self.isURL(value) { return value }
            self.reject("\(name) must be a URL such as 'https://collector.example:4318/\(signal.path)'.")
            return nil
        }
        guard Self.isURL(value), !value.contains("?") else {
            self.reject(
                "\(name) must be a URL such as 'https://collector.example:4318', to which '/v1/traces' and the "
                    + "like are added.")
            return nil
        }
        return value + (value.hasSuffix("/") ? "" : "/") + signal.path
    }

    /// Whether the text is a URL of HTTP with a host, and without a password, which belongs in a header.
    private static func isURL(_ text: String) -> Bool {
        guard text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && !"\"<>\\^`{|}#".utf8.contains($0) }) else {
            return false
        }
        let lowercased = text.lowercased()
        guard let scheme = ["http://", "https://"].first(where: lowercased.hasPrefix) else { return false }
        let authority = text.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }
        // No password, and no name of a variable that nobody has put its value in the place of.
        guard !authority.contains("@"), !authority.contains("$") else { return false }
        // The port is what follows the last colon, unless that is within the brackets of an IPv6 address.
        let isAddress = authority.hasPrefix("[")
        guard let colon = authority.lastIndex(of: ":"), !(isAddress && authority.hasSuffix("]")) else {
            return !authority.isEmpty && (!isAddress || authority.count > 2)
        }
        let host = authority[..<colon]
        guard !host.isEmpty, isAddress ? host.hasSuffix("]") : !host.contains(":") else { return false }
        return (Int(authority[authority.index(after: colon)...]).map { (1...65_535).contains($0) }) ?? false
    }

    // MARK: Text

    private static func trimmed<Text: StringProtocol>(_ text: Text) -> Text.SubSequence {
        var text = text[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return text
    }

    /// A value in a sentence: short, and on one line.
    private static func shown(_ value: String) -> String {
        let shown = String(value.prefix(40)).map { $0.isASCII && !$0.isNewline && $0 != "\0" ? $0 : "?" }
        return String(shown) + (value.count > 40 ? "…" : "")
    }

    private static func list(_ names: [String]) -> String {
        let quoted = names.map { "'\($0)'" }
        guard let last = quoted.last, quoted.count > 1 else { return quoted.first ?? "" }
        return quoted.dropLast().joined(separator: ", ") + " or " + last
    }
}
