// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Where one signal goes, and how.
public struct OTLPEndpoint: Sendable, Equatable {
    /// The whole URL: `http` or `https`.
    public var url: String
    /// What every request says besides, mostly a key: never to be logged.
    public var headers: [Header]
    /// How messages are written.
    public var form: OTLPProtocol
    /// Whether bodies are compressed.
    public var isCompressed: Bool
    /// How long one request may take.
    public var timeout: Duration
    /// For `https`, what is not as for every connection.
    var certificates: OTLPCertificates?

    /// The host and, if it is in the URL, the port: of the URL all that can be shown.
    public var address: String {
        // What follows the two slashes of the scheme.
        let rest = self.url.drop { $0 != "/" }.dropFirst(2)
        return String(rest.prefix { $0 != "/" && $0 != "?" })
    }

    /// The host by itself: without the brackets of an IPv6 address.
    public var host: String {
        let host =
            self.address.hasPrefix("[")
            ? self.address.prefix { $0 != "]" }.dropFirst() : self.address.prefix { $0 != ":" }
        return String(host)
    }

    /// The port, also if it is not in the URL.
    public var port: Int {
        // Behind the brackets of an IPv6 address, whose own colons count for nothing.
        let rest = self.address.split(separator: "]", omittingEmptySubsequences: false).last ?? ""
        let given = rest.split(separator: ":", omittingEmptySubsequences: false).dropFirst().last.flatMap { Int($0) }
        return given ?? (self.url.lowercased().hasPrefix("https:") ? 443 : 80)
    }

    /// A header; its value prints as nothing.
    public struct Header: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
        public let name: String
        public let value: String

        /// A header.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }

        public var description: String { "\(self.name): ‹secret›" }
        public var customMirror: Mirror { Mirror(self, children: []) }
    }

    /// Where one signal goes.
    public init(
        url: String, headers: [Header] = [], form: OTLPProtocol = .protobuf, isCompressed: Bool = false,
        timeout: Duration = .seconds(10)
    ) {
        self.url = url
        self.headers = headers
        self.form = form
        self.isCompressed = isCompressed
        self.timeout = timeout
    }
}
