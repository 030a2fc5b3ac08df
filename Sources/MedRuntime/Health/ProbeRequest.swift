// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Which probe a request asks for, and in what form.
///
/// ```swift
/// guard var request = ProbeRequest(target: head.uri) else { return passOn(head) }
/// if request.isNegotiable { request.accept(head.headers["accept"]) }
/// let answer = probes.answer(to: request)
/// ```
public struct ProbeRequest: Sendable, Equatable {
    /// What is asked.
    public enum Probe: Sendable, Equatable {
        case live
        case ready
        /// All checks, or those of a group. Whether there is such a group is known when it is answered.
        case health(group: String?)
        /// The page for people.
        case status
    }

    /// How the answer is written.
    public enum Format: Sendable, Equatable {
        /// `application/json`, the form of the contract.
        case json
        /// `application/health+json`.
        case healthJSON
        /// A page that a person can read.
        case html
    }

    /// What is asked.
    public let probe: Probe
    /// Whether the answer is to be plain text with one line a check: `?verbose`, unless it is `=false` or `=0`.
    public private(set) var isVerbose = false
    /// The names of checks that are not to count: `?exclude=NAME`, as often as wanted.
    public private(set) var excluded: Set<String> = []
    /// Whether the page is to stay as it is: `?refresh=off`, for people who are read to.
    public private(set) var staysStill = false
    /// The form of the answer, JSON or the page's HTML until ``accept(_:)`` says otherwise.
    public internal(set) var format: Format

    /// Reads a request target: a path or a whole URL (RFC 9112 §3.2), query or not. Nil if it names no probe.
    public init?(target: String) {
        var path = target.utf8[...]
        if path.first != UInt8(ascii: "/") {
            guard let authority = Self.authority(of: path),
                let end = authority.firstIndex(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") })
            else { return nil }
            path = authority[end...]
        }
        let whole = path
        path = path.prefix { $0 != UInt8(ascii: "?") }
        // Most targets are not probes: decide on the length before anything is compared.
        switch path.count {
        case 5 where path.elementsEqual("/live".utf8): self.probe = .live
        case 6 where path.elementsEqual("/ready".utf8): self.probe = .ready
        case 7 where path.elementsEqual("/health".utf8): self.probe = .health(group: nil)
        case 7 where path.elementsEqual("/status".utf8): self.probe = .status
        case 9... where path.starts(with: "/health/".utf8):
            let name = path.dropFirst(8)
            guard name.allSatisfy(Self.belongsToName) else { return nil }
            self.probe = .health(group: String(Substring(name)))
        default: return nil
        }
        self.format = self.probe == .status ? .html : .json
        // Most probes have no query.
        if path.endIndex != whole.endIndex { self.read(query: whole[path.endIndex...].dropFirst()) }
    }

    /// Whether the probe has other forms than one, so that ``accept(_:)`` can matter.
    public var isNegotiable: Bool {
        switch self.probe {
        case .live, .ready: false
        case .health, .status: !self.isVerbose || self.probe == .status
        }
    }

    /// What follows `http://` or `https://`.
    private static func authority(of target: Substring.UTF8View) -> Substring.UTF8View? {
        for scheme in ["http://", "https://"] where target.count >= scheme.utf8.count {
            // Schemes are compared without regard to case (RFC 9110 §4.2.3); `|` makes letters small and leaves `:` and `/`.
            if zip(target, scheme.utf8).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) {
                return target.dropFirst(scheme.utf8.count)
            }
        }
        return nil
    }

    /// Whether a byte may be part of the name of a group.
    private static func belongsToName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// Takes what is known and passes over everything else: whoever asks with more gets an answer too.
    private mutating func read(query: Substring.UTF8View) {
        for member in query.split(separator: UInt8(ascii: "&")) {
            let parts = member.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(parts[0]), let value = parts.count > 1 ? Self.decoded(parts[1]) : ""
            else { continue }
            switch name {
            case "verbose": self.isVerbose = value != "false" && value != "0"
            case "exclude" where !value.isEmpty: self.excluded.insert(value)
            case "refresh": self.staysStill = value == "off" || value == "0"
            default: break
            }
        }
    }

    /// Undoes the encoding of a query member. Nil if it is not well-formed.
    private static func decoded(_ text: Substring.UTF8View) -> String? {
        guard text.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return String(Substring(text))
        }
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(Self.hexDigit),
                    let low = rest.popFirst().flatMap(Self.hexDigit)
                else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
