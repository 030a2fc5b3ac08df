// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTelemetry
import NIOHTTP1
import Synchronization

/// Names requests, so that a client, a proxy and the log can speak of the same one: `X-Request-Id`.
///
/// A name that the client gives is kept if it is well formed: it may come from a proxy in front, whose log has it too. Otherwise one is
/// made, 128 bits as 32 hexadecimal digits: unique, and not meant to be hard to guess.
struct RequestIDSource: Sendable {
    /// The header field, in requests and answers.
    static let field = "X-Request-Id"
    /// The longest name that is taken, in bytes.
    static let maxLength = 128

    private final class Counter: Sendable {
        let next = Atomic<UInt64>(0)
    }

    /// Tells this process from every other one.
    private let process: String
    private let start: UInt64
    private let counter = Counter()

    init(process: UInt64 = .random(in: 0...(.max)), start: UInt64 = .random(in: 0...(.max))) {
        self.process = HexText.text(process)
        self.start = start
    }

    /// The name of a request with these header fields.
    func id(for headers: HTTPHeaders?) -> String {
        if let given = headers?[Self.field], given.count == 1, Self.isWellFormed(given[0]) { return given[0] }
        return self.make()
    }

    /// A new name.
    func make() -> String {
        let number = self.counter.next.add(1, ordering: .relaxed).newValue
        return self.process + HexText.text(Self.mixed(self.start &+ number))
    }

    /// Letters, digits and the marks that names are made with; nothing that a header, a log or a shell could take for something else.
    static func isWellFormed(_ text: String) -> Bool {
        (1...Self.maxLength).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_.:+/=".utf8.contains(byte)
                }
            }
    }

    /// SplitMix64's finalizer: a permutation of the 64-bit numbers, so that names differ in more than the last digit and never repeat.
    private static func mixed(_ number: UInt64) -> UInt64 {
        var mixed = number &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
