// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedServer

@Suite struct AddressRangeTests {
    private func contains(_ range: String, _ address: String) throws -> Bool {
        try AddressRange(range).contains(try #require(IPAddress(address)))
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0"), ("10.0.0.0/8", "10.255.255.255"), ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"), ("10.1.2.3/32", "10.1.2.3"), ("0.0.0.0/0", "255.1.2.3"), ("::1", "::1"),
        ("::1/128", "::1"), ("fd00::/8", "fdff:ffff::1"), ("::/0", "2001:db8::1"), ("::/0", "::1"),
        ("fe80::/10", "fe80::1%eth0"), ("::ffff:10.0.0.0/104", "10.9.9.9"), ("::ffff:0:0/96", "192.0.2.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"), ("192.0.2.128/25", "192.0.2.255"),
    ])
    func `what has the prefix is in the range`(range: String, address: String) throws {
        #expect(try self.contains(range, address))
    }

    @Test(arguments: [
        ("10.0.0.0/8", "11.0.0.0"), ("10.0.0.0/8", "9.255.255.255"), ("10.1.2.3", "10.1.2.4"), ("0.0.0.0/0", "::1"),
        ("10.0.0.0/8", "::10.0.0.1"), ("fd00::/8", "fc00::1"), ("::/0", "10.0.0.1"), ("::/0", "::ffff:10.0.0.1"),
        ("::/64", "10.0.0.1"), ("::ffff:10.0.0.0/104", "11.0.0.1"), ("192.0.2.128/25", "192.0.2.127"),
    ])
    func `what has another prefix, or is of the other version, is not`(range: String, address: String) throws {
        #expect(try !self.contains(range, address))
    }

    @Test(arguments: [
        ("", AddressRangeError.Code.notAnAddress), ("/8", .notAnAddress), ("010.0.0.0/8", .notAnAddress),
        ("10.0.0/8", .notAnAddress), ("fe80::%eth0/64", .notAnAddress), ("fe80::1%eth0", .notAnAddress),
        ("all", .notAnAddress), ("10.0.0.0/", .badLength), ("10.0.0.0/33", .badLength), ("10.0.0.0/-1", .badLength),
        ("10.0.0.0/+8", .badLength), ("10.0.0.0/08", .badLength), ("10.0.0.0/8/8", .badLength),
        ("10.0.0.0/255.0.0.0", .badLength), ("10.0.0.0/ 8", .badLength), ("fd00::/129", .badLength),
        ("10.0.0.1/8", .bitsBehindPrefix), ("0.0.0.1/0", .bitsBehindPrefix), ("fd00::1/8", .bitsBehindPrefix),
        ("::ffff:10.0.0.1/104", .bitsBehindPrefix), ("::ffff:0:0/90", .bitsBehindPrefix),
    ])
    func `what is no range says why`(text: String, code: AddressRangeError.Code) {
        let error = #expect(throws: AddressRangeError.self) { try AddressRange(text) }
        #expect(error?.code == code)
    }

    @Test(arguments: [
        ("10.1.2.3/8", "Write 10.0.0.0/8 for the network or 10.1.2.3 for the one address."),
        ("fd00:1::2/16", "Write fd00::/16 for the network or fd00:1::2 for the one address."),
        ("::ffff:10.1.2.3/104", "Write 10.0.0.0/8 for the network or 10.1.2.3 for the one address."),
    ])
    func `bits behind the prefix are refused with what may have been meant`(text: String, advice: String) {
        let error = #expect(throws: AddressRangeError.self) { try AddressRange(text) }
        #expect(error?.description.hasSuffix(advice) == true)
    }

    @Test func `what cannot be printed is not repeated`() {
        let error = #expect(throws: AddressRangeError.self) { try AddressRange("10.0.0.1\u{1B}[2J") }
        #expect(error?.description.hasPrefix("What was given is not") == true)
    }

    @Test func `a list has what any of its ranges has`() throws {
        let ranges = try ["10.0.0.0/8", "::1", "fd00::/8"].map { try AddressRange($0) }
        #expect(ranges.contains(try #require(IPAddress("fd00::1"))))
        #expect(ranges.contains(try #require(IPAddress("10.0.0.1"))))
        #expect(!ranges.contains(try #require(IPAddress("192.0.2.1"))))
        #expect(![AddressRange]().contains(try #require(IPAddress("::1"))))
    }

    @Test func `100,000 random texts are a range or say why not`() {
        var random = RandomText(seed: 3)
        let parts = [
            "10.0.0.0", "::", "fd00::", "/", "/", "0", "1", "8", "32", "128", ".", ":", "%", "\u{301}", "🙂", " ",
        ]
        var ranges = 0
        for _ in 0..<100_000 {
            let text = random.text(of: parts, count: 5)
            do throws(AddressRangeError) {
                let range = try AddressRange(text)
                ranges += 1
                let first = IPAddress(text.prefix { $0 != "/" })
                #expect(first.map(range.contains) == true, "\(text)")
            } catch {
                #expect(error.description.hasSuffix("."))
            }
        }
        #expect(ranges > 1000)
    }
}
