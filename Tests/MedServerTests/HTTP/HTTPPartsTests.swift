// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedServer

@Suite struct HTTPPartsTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
    ])
    func `dates are those of RFC 9110`(seconds: Int, text: String) {
        #expect(DateHeader.format(seconds) == text)
    }

    @Test(arguments: [
        ("http://localhost", ProbeClient.Target(host: "localhost", port: 80)),
        ("http://localhost/", ProbeClient.Target(host: "localhost", port: 80)),
        ("http://10.0.0.1:5000", ProbeClient.Target(host: "10.0.0.1", port: 5000)),
        ("http://[::1]:5001/", ProbeClient.Target(host: "::1", port: 5001)),
        ("http://[::1]", ProbeClient.Target(host: "::1", port: 80)),
        ("https://localhost", ProbeClient.Target(host: "localhost", port: 443, isSecure: true)),
        ("https://[::1]:5001", ProbeClient.Target(host: "::1", port: 5001, isSecure: true)),
    ])
    func `a probe's target is read from a URL`(url: String, target: ProbeClient.Target) {
        #expect(ProbeClient.Target(url: url) == target)
    }

    @Test(arguments: [
        "", "localhost", "ftp://localhost", "https://", "http://", "http://:80", "http://localhost:0",
        "http://localhost:x",
        "http://localhost:65536", "http://localhost/live", "http://user@localhost", "http://localhost?x",
    ])
    func `what is no such URL is refused`(url: String) {
        #expect(ProbeClient.Target(url: url) == nil)
    }

    @Test func `connections leave room for other files, and there is always one`() {
        #expect(DescriptorLimit.connections(atMost: 1) == 1)
        let most = DescriptorLimit.connections(atMost: .max)
        #expect(most > 1)
        #expect(most < Int.max - DescriptorLimit.kept)
    }
}
