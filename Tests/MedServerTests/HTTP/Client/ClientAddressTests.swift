// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedServer

/// 10.0.0.0/8 and fd00::/8 are trusted proxies; 203.0.113.9 is a client, and 6.6.6.6 what an attacker claims to be.
@Suite struct ClientAddressTests {
    private static let proxies = ["10.0.0.0/8", "fd00::/8"].compactMap { try? AddressRange($0) }

    private func client(
        peer: String = "10.0.0.1",
        forwarded: [String] = [],
        for xForwardedFor: [String] = [],
        proto: [String] = []
    ) throws -> ClientAddress {
        ClientAddress(
            peer: try #require(IPAddress(peer)),
            trusting: Self.proxies,
            headers: .init(forwarded: forwarded, xForwardedFor: xForwardedFor, xForwardedProto: proto)
        )
    }

    private func expect(
        _ client: ClientAddress, _ address: String, isCertain: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(client.address.description == address, sourceLocation: sourceLocation)
        #expect(client.isCertain == isCertain, sourceLocation: sourceLocation)
    }

    // MARK: Who is believed

    @Test func `what an untrusted peer says counts for nothing`() throws {
        let client = try self.client(
            peer: "203.0.113.9", forwarded: ["for=6.6.6.6;proto=https"], for: ["6.6.6.6"], proto: ["https"]
        )
        self.expect(client, "203.0.113.9")
        #expect(client.scheme == nil)
    }

    @Test func `the headers of an untrusted peer are not even asked for`() throws {
        func headers() -> ClientAddress.Headers {
            Issue.record("the headers were asked for")
            return .init()
        }
        let peer = try #require(IPAddress("10.0.0.1"))
        #expect(ClientAddress(peer: peer, trusting: [], headers: headers()).address == peer)
        let other = try #require(IPAddress("203.0.113.9"))
        #expect(ClientAddress(peer: other, trusting: Self.proxies, headers: headers()).address == other)
    }

    @Test(arguments: ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "fd00::1%eth0"])
    func `a trusted peer is believed, however its address is written`(peer: String) throws {
        self.expect(try self.client(peer: peer, for: ["203.0.113.9"]), "203.0.113.9")
    }

    @Test func `a trusted peer without headers speaks for itself`() throws {
        self.expect(try self.client(), "10.0.0.1")
        self.expect(try self.client(forwarded: [""], for: ["", " , ,"]), "10.0.0.1")
    }

    @Test func `only who is certainly in a range is in it`() throws {
        #expect(try self.client().isIn(Self.proxies))
        #expect(try !self.client(for: ["203.0.113.9"]).isIn(Self.proxies))
        #expect(try !self.client(for: ["junk"]).isIn(Self.proxies))
    }

    // MARK: X-Forwarded-For

    @Test(arguments: [
        (["203.0.113.9"], "203.0.113.9"), (["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9"], "203.0.113.9"), (["6.6.6.6,203.0.113.9,10.2.2.2, 10.3.3.3"], "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9, 10.2.2.2", "fd00::7"], "203.0.113.9"), (["10.9.9.9, 10.2.2.2"], "10.9.9.9"),
        (["junk, 203.0.113.9"], "203.0.113.9"), (["\", 203.0.113.9"], "203.0.113.9"),
        ([", ,\t203.0.113.9 , ,"], "203.0.113.9"), (["203.0.113.9", ""], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"), (["[2001:db8::9]:4711"], "2001:db8::9"),
        (["[2001:db8::9]"], "2001:db8::9"), (["2001:db8::9"], "2001:db8::9"), (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["fe80::1%eth0"], "fe80::1"),
    ])
    func `the client is the last that is no trusted proxy`(lines: [String], address: String) throws {
        self.expect(try self.client(for: lines), address)
    }

    @Test(arguments: [
        "unknown", "_hidden", "203.0.113.9 10.0.0.2", "203.0.113.9:", "203.0.113.9:65536", "203.0.113.9:+1",
        "203.0.113.9:٣", "[203.0.113.9]", "[2001:db8::9", "[2001:db8::9]4711", "[]", "[2001:db8::9]:", "010.0.0.9",
        "\"203.0.113.9\"", "for=203.0.113.9", "203.0.113.9;10.0.0.2", "a.example", "203.0.113.9:_",
    ])
    func `junk ends the walk at the last proxy that was vouched for`(junk: String) throws {
        self.expect(try self.client(for: ["6.6.6.6, \(junk)"]), "10.0.0.1", isCertain: false)
        self.expect(try self.client(for: ["6.6.6.6, \(junk), 10.5.5.5"]), "10.5.5.5", isCertain: false)
    }

    // MARK: Forwarded

    @Test(arguments: [
        (["for=203.0.113.9"], "203.0.113.9"), (["For=203.0.113.9"], "203.0.113.9"),
        (["for=6.6.6.6, FOR=\"203.0.113.9:4711\";proto=http;by=10.0.0.1"], "203.0.113.9"),
        (["by=10.0.0.1 ; for=203.0.113.9"], "203.0.113.9"), (["for=\"[2001:db8::9]:4711\""], "2001:db8::9"),
        (["for=[2001:db8::9]"], "2001:db8::9"), (["for=\"203.0.113.9:_ssh\""], "203.0.113.9"),
        (["for=\"2\\03.0.113.9\""], "203.0.113.9"), (["for=6.6.6.6", "for=203.0.113.9, for=10.2.2.2"], "203.0.113.9"),
        ([", for=203.0.113.9,"], "203.0.113.9"), ([";for=203.0.113.9;;"], "203.0.113.9"),
        (["for=10.9.9.9, for=10.2.2.2"], "10.9.9.9"),
        (["for=203.0.113.9;secret=\"a,b;for=6.6.6.6, \\\"for=6.6.6.6\\\\\""], "203.0.113.9"),
        (["for=6.6.6.6, for=203.0.113.9;host=\"x\""], "203.0.113.9"),
    ])
    func `Forwarded is read as RFC 7239 writes it`(lines: [String], address: String) throws {
        self.expect(try self.client(forwarded: lines), address)
    }

    @Test(arguments: [
        "for=\"", "for=\"6.6.6.6", "for=6.6.6.6;x=\"\\", "\"", "\\\"", "x=\"a\\", "\"\"\"", "for=\"\\\",",
    ])
    func `a quote that a client leaves open does not swallow what the proxy adds`(injected: String) throws {
        self.expect(try self.client(forwarded: ["\(injected), for=203.0.113.9"]), "203.0.113.9")
        self.expect(try self.client(forwarded: [injected, "for=\"203.0.113.9:1\";proto=https"]), "203.0.113.9")
        self.expect(try self.client(forwarded: ["\(injected), for=203.0.113.9;by=\"[fd00::1]\""]), "203.0.113.9")
    }

    @Test(arguments: [
        "for=unknown", "for=_hidden", "for=\"_hidden:_port\"", "for", "for=", "=203.0.113.9", "proto=https",
        "for=203.0.113.9;for=6.6.6.6", "for=203.0.113.9;For=203.0.113.9", "for=\"203.0.113.9\"x", "for=203.0.113.9\"",
        "for=203.0.113.9;host=a\"b\"", "f or=203.0.113.9", "203.0.113.9", "for:203.0.113.9", "for=203.0.113.9;x",
        "for=\"\"", "for=203.0.113.9 10.0.0.2",
    ])
    func `an element without a readable address ends the walk`(element: String) throws {
        self.expect(try self.client(forwarded: ["for=6.6.6.6, \(element)"]), "10.0.0.1", isCertain: false)
        self.expect(try self.client(forwarded: ["for=6.6.6.6, \(element), for=10.5.5.5"]), "10.5.5.5", isCertain: false)
    }

    // MARK: Both

    @Test func `with both headers, X-Forwarded-For counts, and a contradiction makes it uncertain`() throws {
        self.expect(try self.client(forwarded: ["for=203.0.113.9"], for: ["203.0.113.9"]), "203.0.113.9")
        self.expect(
            try self.client(forwarded: ["for=6.6.6.6"], for: ["203.0.113.9"]), "203.0.113.9", isCertain: false
        )
        self.expect(try self.client(forwarded: ["junk"], for: ["203.0.113.9"]), "203.0.113.9", isCertain: false)
        self.expect(try self.client(forwarded: ["for=203.0.113.9"], for: ["junk"]), "10.0.0.1", isCertain: false)
        self.expect(try self.client(forwarded: [""], for: ["203.0.113.9"]), "203.0.113.9")
    }

    @Test func `a client cannot pass for a proxy by a second header`() throws {
        // The proxy adds the one header and hands on the other, as it came from the client.
        #expect(try !self.client(forwarded: ["for=10.0.0.7"], for: ["203.0.113.9"]).isIn(Self.proxies))
        #expect(try !self.client(forwarded: ["for=203.0.113.9"], for: ["10.0.0.7"]).isIn(Self.proxies))
    }

    // MARK: The scheme

    @Test func `the scheme is what the proxy says that names the client`() throws {
        #expect(try self.client(for: ["203.0.113.9"], proto: ["HTTPS"]).scheme == .https)
        #expect(try self.client(proto: ["http"]).scheme == .http)
        #expect(try self.client(for: ["203.0.113.9, 10.2.2.2"], proto: ["https"]).scheme == .https)
        #expect(try self.client(for: ["6.6.6.6, 203.0.113.9, 10.2.2.2"], proto: ["x, https", "http"]).scheme == .https)
        #expect(try self.client(for: ["203.0.113.9"], proto: ["https, http"]).scheme == .http)
        #expect(try self.client(for: ["203.0.113.9, 10.2.2.2, 10.3.3.3"], proto: ["https, http"]).scheme == nil)
        #expect(try self.client(for: ["203.0.113.9"], proto: ["ftp"]).scheme == nil)
        #expect(try self.client(for: ["203.0.113.9"]).scheme == nil)

        let forwarded = "for=6.6.6.6;proto=http, for=203.0.113.9;proto=\"https\", for=10.2.2.2;proto=http"
        #expect(try self.client(forwarded: [forwarded]).scheme == .https)
        #expect(try self.client(forwarded: ["for=unknown;proto=https"]).scheme == .https)
        #expect(try self.client(forwarded: ["for=203.0.113.9"], proto: ["https"]).scheme == nil)
        #expect(try self.client(forwarded: ["for=203.0.113.9;proto=https"], for: ["203.0.113.9"]).scheme == nil)
    }

    // MARK: Attacks

    @Test func `64 KiB of anything are read in one pass`() throws {
        let size = 65_536
        let long = [
            ",", " ", "\"", "\\", "\\\"", "\",", "\\\",", ";", "a;", "=", "a=", "[", ":", "1.", "for=\"",
            "for=10.0.0.2;",
        ]
        for piece in long {
            let line = String(repeating: piece, count: size / piece.utf8.count)
            self.expect(try self.client(for: ["\(line),203.0.113.9"]), "203.0.113.9")
            self.expect(try self.client(forwarded: ["\(line),for=203.0.113.9"]), "203.0.113.9")
            _ = try self.client(forwarded: [line])
            _ = try self.client(forwarded: ["\(line)\""])
            _ = try self.client(for: [line])
            _ = try self.client(forwarded: Array(repeating: piece, count: 1000))
        }
    }

    @Test func `10,000 proxies are as good as one`() throws {
        let proxies = String(repeating: ", 10.0.0.2", count: 10_000)
        self.expect(try self.client(for: ["203.0.113.9\(proxies)"]), "203.0.113.9")
        self.expect(try self.client(for: ["203.0.113.9"] + Array(repeating: "10.0.0.2", count: 10_000)), "203.0.113.9")
        let elements = String(repeating: ", for=\"10.0.0.2:1\"", count: 10_000)
        self.expect(try self.client(forwarded: ["for=203.0.113.9\(elements)"]), "203.0.113.9")
    }

    @Test func `in 100,000 random headers no client becomes another one`() throws {
        var random = RandomText(seed: 4)
        let parts = [
            ",", ", ", "\"", "\\", ";", "=", "for=", "proto=", "10.0.0.2", "6.6.6.6", "[fd00::1]", ":80", "_x",
            "unknown", " ",
            "\t", "%", "é", "🙂", "\u{301}",
        ]
        for _ in 0..<100_000 {
            let injected = random.text(of: parts, count: 10)
            let client = try self.client(
                forwarded: ["\(injected), for=\"203.0.113.9:1\", for=10.0.0.2"], for: ["\(injected), 203.0.113.9"]
            )
            #expect(client.address.description == "203.0.113.9" && client.isCertain, "\(injected)")
            _ = try self.client(forwarded: [injected], for: [injected], proto: [injected])
        }
    }
}
