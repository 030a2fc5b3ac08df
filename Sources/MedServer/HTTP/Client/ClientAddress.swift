// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Who sent a request, as far as anybody can be believed.
///
/// The peer of the connection is known. Only if it is a trusted proxy do its headers count, and of them only what it and
/// the trusted ones before it added: from the end of the list backwards, the first address that is no trusted proxy's is
/// the client's. Where a trusted proxy says nothing that can be read, the walk ends; ``isCertain`` is then false and the
/// address is that of the last proxy that was vouched for.
///
/// ```swift
/// let client = ClientAddress(
///     peer: peer, trusting: proxies,
///     headers: .init(forwarded: […], xForwardedFor: ["198.51.100.7, 10.0.0.1"], xForwardedProto: ["https"])
/// )
/// guard client.isIn(allowed) else { throw HTTPError(.notFound) }
/// ```
///
/// **Two headers.** `X-Forwarded-For` is the one that counts if both are there: nginx, HAProxy, Envoy and cloud load
/// balancers write it and pass `Forwarded` on as it came, so with the order of Rack and Spring, the other way round, each
/// of their clients could choose its address. Where a proxy writes `Forwarded` alone, it is `X-Forwarded-For` that may be
/// the client's invention; so when the two do not lead to the same address, nothing is certain.
struct ClientAddress: Sendable, Equatable {
    /// What a client spoke with the first proxy that is trusted.
    enum Scheme: String, Sendable {
        case http, https

        /// In any case of letters; `nil` if it is another.
        init?(_ text: Substring.UTF8View) { self.init(rawValue: Substring(text).lowercased()) }
    }

    /// The lines of the headers, in their order.
    struct Headers: Sendable {
        var forwarded: [String] = []
        var xForwardedFor: [String] = []
        var xForwardedProto: [String] = []
    }

    /// For the log, the audit trail, and limits.
    private(set) var address: IPAddress
    /// Whether it is the client's. If not, whoever decides by the address must refuse: see ``isIn(_:)``.
    private(set) var isCertain = true
    /// What it spoke, if a trusted proxy says so; else it is what the connection itself speaks.
    private(set) var scheme: Scheme?

    /// - Parameters:
    ///   - peer: the other end of the connection.
    ///   - proxies: whose headers count.
    ///   - headers: looked at only if the peer is one of them.
    init(peer: IPAddress, trusting proxies: [AddressRange], headers: @autoclosure () -> Headers) {
        self.address = peer
        guard proxies.contains(peer) else { return }
        let headers = headers()

        let legacy = Walk(
            from: peer,
            trusting: proxies,
            hops: ListElements(headers.xForwardedFor, hasQuotes: false).lazy.map {
                ForwardedElement(node: Self.node($0))
            }
        )
        let standard = Walk(
            from: peer,
            trusting: proxies,
            hops: ListElements(headers.forwarded, hasQuotes: true).lazy.map {
                ForwardedElement($0) ?? ForwardedElement(node: nil)
            }
        )
        if legacy.hops == 0, standard.hops > 0 {
            self.address = standard.address
            self.isCertain = standard.isCertain
            self.scheme = standard.scheme
        } else {
            let isDisputed = standard.hops > 0 && (!standard.isCertain || standard.address != legacy.address)
            self.address = legacy.address
            self.isCertain = legacy.isCertain && !isDisputed
            self.scheme = Self.scheme(headers.xForwardedProto, hops: legacy.hops)
        }
    }

    /// Whether it is certainly a client from one of the ranges.
    func isIn(_ ranges: [AddressRange]) -> Bool { self.isCertain && ranges.contains(self.address) }

    /// What the proxy says that named the client. Most proxies leave one value, the others one for each hop.
    private static func scheme(_ lines: [String], hops: Int) -> Scheme? {
        var elements = ListElements(lines, hasQuotes: false)
        guard var value = elements.next() else { return nil }
        var count = 1
        while count < hops, let next = elements.next() {
            value = next
            count += 1
        }
        return count == 1 || count == hops ? Scheme(value) : nil
    }

    /// An address as proxies write it: bare, in brackets, with a port or a hidden one (`_ssh`). Nil if it is anything else.
    static func node(_ text: Substring.UTF8View) -> IPAddress? {
        guard text.first == UInt8(ascii: "[") else {
            guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return IPAddress(utf8: text) }
            let behind = text[text.index(after: colon)...]
            // With two colons it is a bare IPv6 address, which cannot have a port.
            if behind.contains(UInt8(ascii: ":")) { return IPAddress(utf8: text) }
            return Self.isPort(behind) ? IPAddress(utf8: text[..<colon]) : nil
        }
        let inner = text.dropFirst()
        guard let bracket = inner.firstIndex(of: UInt8(ascii: "]")), inner[..<bracket].contains(UInt8(ascii: ":"))
        else { return nil }
        let behind = inner[inner.index(after: bracket)...]
        guard behind.isEmpty || (behind.first == UInt8(ascii: ":") && Self.isPort(behind.dropFirst())) else {
            return nil
        }
        return IPAddress(utf8: inner[..<bracket])
    }

    private static func isPort(_ text: Substring.UTF8View) -> Bool {
        if text.first == UInt8(ascii: "_") {
            return text.count > 1
                && text.allSatisfy { byte in
                    let character = Character(UnicodeScalar(byte))
                    return character.isASCII && (character.isLetter || character.isNumber || "-._".contains(character))
                }
        }
        return 1...5 ~= text.count && text.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
            && UInt16(Substring(text)) != nil
    }
}

extension ClientAddress {
    /// The way back from the peer to the client.
    private struct Walk {
        private(set) var address: IPAddress
        private(set) var isCertain = true
        private(set) var scheme: Scheme?
        /// How many elements were read.
        private(set) var hops = 0

        /// - Parameter hops: what the proxies say, the nearest first. It is read as far as they are trusted.
        init(from peer: IPAddress, trusting proxies: [AddressRange], hops: some Sequence<ForwardedElement>) {
            self.address = peer
            for hop in hops {
                self.hops += 1
                self.scheme = hop.scheme
                guard let node = hop.node else {
                    self.isCertain = false
                    return
                }
                self.address = node
                guard proxies.contains(node) else { return }
            }
        }
    }
}
