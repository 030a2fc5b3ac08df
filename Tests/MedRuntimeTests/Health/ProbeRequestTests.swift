// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct ProbeRequestTests {
    private static let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

    private func request(_ target: String, accept: String...) throws -> ProbeRequest {
        var request = try #require(ProbeRequest(target: target))
        request.accept(accept)
        return request
    }

    private static let probes: [(String, ProbeRequest.Probe)] = [
        ("/live", .live), ("/live?verbose", .live), ("/ready", .ready), ("/ready?", .ready),
        ("/health", .health(group: nil)), ("/health?x=/live", .health(group: nil)), ("/status", .status),
        ("/health/edge", .health(group: "edge")), ("/health/a-b_C.9?verbose", .health(group: "a-b_C.9")),
        ("http://localhost/live", .live), ("HTTPS://localhost:5000/ready?x", .ready),
        ("http://[::1]:5000/health/edge", .health(group: "edge")),
    ]

    @Test(arguments: probes)
    func `a probe is known by its path`(target: String, probe: ProbeRequest.Probe) {
        #expect(ProbeRequest(target: target)?.probe == probe)
    }

    @Test(arguments: [
        "", "*", "/", "/live/", "/lives", "/Live", "//live", "live", "localhost:5000", "http://localhost", "/x?/live",
        "http://localhost?/live", "http://localhost?x/live", "ftp://localhost/live", "x://http://localhost/live",
        "/health/", "/health/a/b", "/health/a%62", "/health/a b", "/healthy", "/live#x", "/status/", "/health/é",
    ])
    func `everything else is no probe`(target: String) {
        #expect(ProbeRequest(target: target) == nil)
    }

    private static let verboseQueries: [(String, Bool)] = [
        ("", false), ("?", false), ("?verbose", true), ("?verbose=", true), ("?verbose=1", true),
        ("?verbose=true", true),
        ("?verbose=false", false), ("?verbose=0", false), ("?x&verbose", true), ("?verbosely", false),
        ("?%76erbose", true),
        ("?verbose=%zz", false), ("?verbose&verbose=0", false),
    ]

    @Test(arguments: verboseQueries)
    func `verbose is asked for`(query: String, isVerbose: Bool) throws {
        #expect(try self.request("/health" + query).isVerbose == isVerbose)
    }

    private static let excludingQueries: [(String, Set<String>)] = [
        ("?exclude=mail", ["mail"]), ("?exclude=a&exclude=b&exclude=a", ["a", "b"]), ("?exclude=%6Dail", ["mail"]),
        ("?exclude=a+b%20c", ["a b c"]), ("?exclude=", []), ("?exclude", []), ("?exclude=a=b", ["a=b"]),
        ("?exclude=%", []), ("?exclude=%4", []), ("?exclude=%FF", []), ("?exclude=a%2&exclude=b", ["b"]),
        ("?Exclude=a", []), ("?&&exclude=a&", ["a"]),
    ]

    @Test(arguments: excludingQueries)
    func `checks are excluded by name`(query: String, names: Set<String>) throws {
        #expect(try self.request("/ready" + query).excluded == names)
    }

    private static let accepts: [(String, ProbeRequest.Format)] = [
        ("*/*", .json), ("", .json), (",,;", .json), ("application/json", .json), ("image/png", .json),
        ("application/health+json", .healthJSON), ("Application/Health+JSON", .healthJSON),
        ("application/health+json, application/json", .healthJSON),
        ("application/health+json;q=0.5, */*;q=0.1", .healthJSON),
        ("application/health+json;q=0.5, application/json", .json), ("application/health+json, */*", .healthJSON),
        ("application/*", .json), ("application/json;q=0, application/*", .healthJSON),
        ("application/json;q=0.2, */*;q=0.4", .healthJSON), ("application/health+json;q=0", .json),
        (browser, .html), ("text/html", .html), ("application/xhtml+xml", .html), ("text/html;charset=UTF-8", .html),
        ("text/html; charset=\"utf-8\" ; q=1.000", .html), ("text/html, */*", .html), ("text/*", .json),
        ("text/html, application/json", .json), ("text/html;q=0.9, application/json", .json),
        ("text/html;q=0, */*;q=0.1", .json), ("text/html;q=0.1, */*", .json), ("text/html;level=1", .json),
        ("text/html;x=\"a,b;c\\\"\", application/health+json", .healthJSON), ("text/html;q=2", .json),
        ("text/html;q=", .json),
        ("text/html;q=0.1234", .json), ("text/html;q=1.001", .json), ("text/html;q=-1", .json),
        ("text/html;q=0.001", .html),
        ("text/html;q=0.5;level=1", .html), ("text", .json), ("/html", .json), ("*/html", .json), ("text/html;", .html),
        ("text/html;charset=utf-8;q=0.1, text/html;q=0.9, application/json;q=0.5", .json),
    ]

    @Test(arguments: accepts)
    func `the form is what the client likes best`(accept: String, format: ProbeRequest.Format) throws {
        #expect(try self.request("/health", accept: accept).format == format)
        #expect(try self.request("/health/edge", accept: accept).format == format)
        #expect(try self.request("/live", accept: accept).format == .json)
    }

    private static let pageAccepts: [(String, ProbeRequest.Format)] = [
        ("*/*", .html), ("", .html), (browser, .html), ("image/png", .html), ("text/*", .html),
        ("application/json", .json), ("application/json, */*;q=0.5", .json),
        ("application/json, text/plain, */*", .json),
        ("application/json;q=0.5, text/html", .html), ("application/json, text/html", .html),
        ("application/health+json", .healthJSON), ("application/*", .json), ("application/json;q=0", .html),
    ]

    @Test(arguments: pageAccepts)
    func `the status page is HTML unless JSON is liked better`(accept: String, format: ProbeRequest.Format) throws {
        #expect(try self.request("/status", accept: accept).format == format)
    }

    @Test func `without Accept everybody gets JSON, and the page on its own address`() throws {
        #expect(try self.request("/health").format == .json)
        #expect(try self.request("/status").format == .html)
    }

    @Test func `several lines of Accept are one`() throws {
        #expect(try self.request("/health", accept: "application/json;q=0.5", "text/html").format == .html)
    }

    @Test func `verbose text has one form`() throws {
        #expect(try self.request("/health?verbose", accept: "text/html").format == .json)
        #expect(try self.request("/status?verbose", accept: "application/json").format == .json)
    }

    @Test func `a person can have the page stay still`() throws {
        #expect(try self.request("/status?refresh=off").staysStill)
        #expect(try !self.request("/status?refresh=5").staysStill)
    }

    @Test func `whatever comes is read or passed over`() {
        var random = SplitMix(state: 6)
        let pieces = [
            "/health", "/live", "/status", "?", "&", "=", "%", "%4", "%41", "%FF", "verbose", "exclude", "+", "/", "é",
            "\u{0}",
            "http://", "text/html", "application/json", ",", ";", "q=", "0.5", "\"", "\\", "*", " ", "x",
        ]
        func text() -> String {
            (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                pieces[Int.random(in: pieces.indices, using: &random)]
            }
            .joined()
        }
        var count = 0
        for _ in 0..<50_000 {
            guard var request = ProbeRequest(target: (Bool.random(using: &random) ? "/health" : "") + text()) else {
                continue
            }
            request.accept([text(), text()])
            count += 1
        }
        #expect(count > 1000)
    }

    @Test func `long targets and headers are read once from front to back`() throws {
        let names = String(repeating: "&exclude=%61", count: 1300)
        #expect(try self.request("/health?" + names).excluded == ["a"])
        let accept = String(repeating: "text/html;q=0.5,\"\\\"", count: 700)
        #expect(try self.request("/health", accept: accept).format == .html)
    }

    /// Random numbers that are the same in every run.
    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state &+= 0x9E37_79B9_7F4A_7C15
            var z = self.state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}
