// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Instrumentation

/// Takes traces and baggage out of the headers of a request, and writes them into those of the next.
///
/// Strict, as W3C Trace Context Level 2 (which reads all of Level 1) and W3C Baggage say: what is malformed is left
/// out, and never passed on.
public struct W3CPropagation: Sendable, Equatable {
    /// Which headers are read and written.
    public struct Formats: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `traceparent` and `tracestate`.
        public static let traceContext = Formats(rawValue: 1)
        /// `baggage`.
        public static let baggage = Formats(rawValue: 2)
    }

    /// The most bytes of a `tracestate` that are passed on (section 3.3.1.5 asks for at least as many).
    public static let maximumTraceStateSize = 512
    /// The most members of a `tracestate` (section 3.3.1.1).
    public static let maximumTraceStateCount = 32

    /// Which headers are read and written.
    public let formats: Formats

    /// Reads and writes these headers.
    public init(_ formats: Formats = [.traceContext, .baggage]) { self.formats = formats }

    /// Puts what the headers say into the context.
    public func extract<Extract: Extractor>(
        _ carrier: Extract.Carrier, into context: inout ServiceContext, using extractor: Extract
    ) {
        if self.formats.contains(.traceContext), let parent = extractor.extract(key: "traceparent", from: carrier),
            var trace = Self.traceParent(parent)
        {
            trace.traceState = extractor.extract(key: "tracestate", from: carrier).flatMap(Self.traceState) ?? ""
            context.traceContext = trace
        }
        if self.formats.contains(.baggage), let header = extractor.extract(key: "baggage", from: carrier) {
            let baggage = Self.baggage(header)
            if !baggage.members.isEmpty { context.baggage = baggage }
        }
    }

    /// Writes what the context holds into the headers.
    public func inject<Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Inject.Carrier, using injector: Inject
    ) {
        if self.formats.contains(.traceContext), let trace = context.traceContext {
            injector.inject(Self.header(trace), forKey: "traceparent", into: &carrier)
            if !trace.traceState.isEmpty {
                injector.inject(trace.traceState, forKey: "tracestate", into: &carrier)
            }
        }
        if self.formats.contains(.baggage), let baggage = context.baggage {
            let header = Self.header(baggage)
            if !header.isEmpty { injector.inject(header, forKey: "baggage", into: &carrier) }
        }
    }

    // MARK: traceparent

    /// `00-` trace `-` span `-` flags (section 3.2).
    static func header(_ trace: TraceContext) -> String {
        let flags = HexText.text(CollectionOfOne(trace.flags.intersection(.known).rawValue))
        return "00-\(trace.traceID)-\(trace.spanID)-\(flags)"
    }

    /// Reads the header; later versions as far as this one knows them (section 4.3).
    static func traceParent(_ header: String) -> TraceContext? {
        let bytes = Array(header.utf8)
        let dash = UInt8(ascii: "-")
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            let version = HexText.number(bytes[..<2]), version != 0xff,
            bytes.count == 55 || (version != 0 && bytes[55] == dash),
            let high = HexText.number(bytes[3..<19]), let low = HexText.number(bytes[19..<35]),
            let traceID = TraceID(high: high, low: low),
            let span = HexText.number(bytes[36..<52]), let spanID = SpanID(span),
            let flags = HexText.number(bytes[53..<55])
        else { return nil }
        return TraceContext(
            traceID: traceID, spanID: spanID,
            flags: TraceFlags(rawValue: UInt8(flags)).intersection(.known), isRemote: true)
    }

    // MARK: tracestate

    /// Reads the header and writes it without empty members; `nil` if any of it is malformed (section 3.3).
    static func traceState(_ header: String) -> String? {
        guard header.utf8.count <= 8192 else { return nil }
        var keys: Set<String> = []
        var members: [String] = []
        for part in header.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let member = Self.trimmed(part)
            guard !member.isEmpty else { continue }
            guard let equals = member.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let key = member[..<equals]
            let value = member[member.index(after: equals)...]
            guard Self.isTraceStateKey(key), Self.isTraceStateValue(value),
                keys.insert(String(decoding: key, as: UTF8.self)).inserted
            else { return nil }
            members.append(String(decoding: member, as: UTF8.self))
        }
        let state = members.joined(separator: ",")
        guard members.count <= Self.maximumTraceStateCount, state.utf8.count <= Self.maximumTraceStateSize else {
            return nil
        }
        return state
    }

    /// Level 2, section 3.3.1.3.1; it allows what Level 1 does, and an `@` anywhere.
    private static func isTraceStateKey(_ key: Substring.UTF8View) -> Bool {
        guard (1...256).contains(key.count), let first = key.first, Self.isLowerAlphanumeric(first) else {
            return false
        }
        return key.allSatisfy { Self.isLowerAlphanumeric($0) || "_-*/@".utf8.contains($0) }
    }

    /// Section 3.3.1.3.2. Spaces at the end cannot be: they were trimmed.
    private static func isTraceStateValue(_ value: Substring.UTF8View) -> Bool {
        (1...256).contains(value.count)
            && value.allSatisfy {
                (0x20...0x7e).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=")
            }
    }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    // MARK: baggage

    /// Reads the header up to its limits. A malformed member is left out; the others count.
    static func baggage(_ header: String) -> Baggage {
        var baggage = Baggage()
        var size = 0
        for part in header.utf8.split(separator: UInt8(ascii: ",")) {
            let text = Self.trimmed(part)
            guard let member = Self.member(text) else { continue }
            size += text.count + (baggage.members.isEmpty ? 0 : 1)
            guard size <= Baggage.maximumSize, baggage.members.count < Baggage.maximumCount else { break }
            baggage.members.append(member)
        }
        return baggage
    }

    private static func member(_ text: Substring.UTF8View) -> Baggage.Member? {
        let end = text.firstIndex(of: UInt8(ascii: ";")) ?? text.endIndex
        let pair = text[..<end]
        guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let name = Self.trimmed(pair[..<equals])
        let value = Self.trimmed(pair[pair.index(after: equals)...])
        let properties = end == text.endIndex ? text[end...] : Self.trimmed(text[text.index(after: end)...])
        guard !name.isEmpty, name.allSatisfy(PercentText.isToken), value.allSatisfy(PercentText.isBaggageOctet),
            // Properties are passed on as they came: they must not be able to end the header.
            properties.allSatisfy({ (0x20...0x7e).contains($0) || $0 == UInt8(ascii: "\t") })
        else { return nil }
        return Baggage.Member(
            name: String(decoding: name, as: UTF8.self), value: PercentText.decoded(value),
            properties: String(decoding: properties, as: UTF8.self))
    }

    /// Writes the header up to its limits, whole members only.
    static func header(_ baggage: Baggage) -> String {
        var header = ""
        var count = 0
        for member in baggage.members {
            guard !member.name.isEmpty, member.name.utf8.allSatisfy(PercentText.isToken),
                member.properties.utf8.allSatisfy({ (0x20...0x7e).contains($0) && $0 != UInt8(ascii: ",") })
            else { continue }
            var text = "\(member.name)=\(PercentText.encoded(member.value))"
            if !member.properties.isEmpty { text += ";\(member.properties)" }
            guard header.utf8.count + text.utf8.count + (count == 0 ? 0 : 1) <= Baggage.maximumSize,
                count < Baggage.maximumCount
            else { break }
            header += count == 0 ? text : "," + text
            count += 1
        }
        return header
    }

    /// Without the white space that HTTP allows around what is separated.
    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        var text = text
        while let first = text.first, first == 0x20 || first == 0x09 { text = text.dropFirst() }
        while let last = text.last, last == 0x20 || last == 0x09 { text = text.dropLast() }
        return text
    }
}
