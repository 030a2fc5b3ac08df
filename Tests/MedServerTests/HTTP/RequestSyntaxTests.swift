// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOHTTP1
import Testing

@testable import MedServer

struct RequestSyntaxTests {
    @Test(arguments: [
        "localhost", "localhost:5000", "localhost:", "127.0.0.1", "[::1]", "[::1]:5000", "[2001:db8::1]", "a_b.c-d.",
        "xn--bcher-kva.example", "a%2Db", "EXAMPLE.com:65535",
    ])
    func `a host is a name or an address, with or without a port`(host: String) {
        #expect(RequestSyntax.isHost(host))
    }

    @Test(arguments: [
        "", " ", "a b", "a@b", "localhost/path", "localhost?a", "localhost#a", "a\\b", "a\tb", "http://localhost",
        "localhost:http", "localhost:99999", "localhost:1:2", "localhost:+80", "localhost:000080", "[::1", "]",
        "[::1]a",
        "[::1]:x", "[]", "[1.2.3.4]", "[fe80::1%eth0", "locél", "\"localhost\"", "<localhost>", ":80", "a%zzb", "a%2",
        "a,b c", "::1",
    ])
    func `anything else is no host`(host: String) {
        #expect(!RequestSyntax.isHost(host))
    }

    @Test(arguments: [
        ("/", HTTPMethod.GET), ("/a?b=c", .POST), ("//x", .GET), ("*", .OPTIONS), ("http://a/b", .GET),
        ("HTTPS://a:1?x", .GET), ("http://[::1]:1/", .GET), ("a:443", .CONNECT),
    ])
    func `a target has one of four forms`(target: String, method: HTTPMethod) {
        #expect(RequestSyntax.isTarget(target, of: method))
    }

    @Test(arguments: [
        ("/a#b", HTTPMethod.GET), ("*", .GET), ("", .GET), ("a", .GET), ("ftp://a/", .GET), ("http:///a", .GET),
        ("http://a@b/", .GET), ("http://a:x/", .GET), ("://a/", .GET), ("a/b", .CONNECT), ("*a", .OPTIONS),
    ])
    func `anything else is no target`(target: String, method: HTTPMethod) {
        #expect(!RequestSyntax.isTarget(target, of: method))
    }
}
