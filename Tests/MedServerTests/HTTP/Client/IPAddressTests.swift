// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedServer

@Suite struct IPAddressTests {
    /// What the C library reads: the reference.
    private func bits(_ text: String) -> UInt128? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return IPAddress(ipv4: UInt32(bigEndian: four.s_addr)).bits }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        return withUnsafeBytes(of: six) { bytes in bytes.reduce(0) { $0 << 8 | UInt128($1) } }
    }

    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ("::ffff:10.0.0.1", "10.0.0.1"), ("::FFFF:0a00:0001", "10.0.0.1"), ("::", "::"), ("::1", "::1"),
        ("1::", "1::"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("fe80::1%eth0", "fe80::1"), ("fe80::1%2", "fe80::1"),
    ])
    func `an address is read, and written in one way`(text: String, written: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == written)
        #expect(IPAddress(written) == address)
    }

    @Test func `localhost is two addresses, and not all that lead to this machine`() throws {
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] { #expect(try #require(IPAddress(text)).isLocalhost) }
        for text in ["127.0.0.6", "127.0.0.0", "10.0.0.1", "0.0.0.0", "::", "::2", "126.0.0.1", "2001:db8::7f00:1"] {
            #expect(try #require(IPAddress(text)).isLocalhost == false)
        }
    }

    @Test(arguments: [
        "", " ", "010.0.0.1", "10.0.0.01", "00.0.0.0", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1",
        "0x7f.0.0.1", "2130706433", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1\0", "10.0.0.1%eth0", "١.2.3.4", "+1.2.3.4", ":",
        ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1::2::3", ":1::2", "1::2:", "12345::", "g::",
        "::1.2.3", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:010.0.0.1", "[::1]", "fe80::1%", "fe80::1%a/b",
        "fe80::1%e%f", "localhost", "10.0.0.1/8",
    ])
    func `what is not exactly an address is none`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `100,000 random texts are read as the C library reads them`() {
        var random = RandomText(seed: 1)
        let parts = [
            ":", ":", "::", ".", ".", "0", "1", "9", "25", "255", "256", "00", "a", "F", "ffff", "10000", "g", " ", "-",
            "1.2.3.4", "::ffff:", "2001:db8:", "1:2:3:",
        ]
        var addresses = 0
        for _ in 0..<100_000 {
            let text = random.text(of: parts, count: 12)
            let address = IPAddress(text)
            #expect(address?.bits == self.bits(text), "\(text)")
            guard let address else { continue }
            addresses += 1
            #expect(self.bits(address.description) == address.bits, "\(text)")
        }
        #expect(addresses > 1000)
    }

    @Test func `random numbers are read back from their texts`() {
        var random = RandomText(seed: 2)
        for _ in 0..<10_000 {
            // Mostly zeros, for the "::".
            let bits = (0..<8).reduce(UInt128(0)) { bits, _ in
                bits << 16 | UInt128(random.number(below: 3) == 0 ? random.number(below: 65_536) : 0)
            }
            let address = IPAddress(bits: bits)
            #expect(IPAddress(address.description) == address)
            #expect(self.bits(address.description) == bits)
        }
    }
}
