// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Writes a message of protocol buffers (Protocol Buffers, "Encoding"). What is left out because it is the default, its caller leaves out.
struct ProtobufWriter {
    enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case fixed32 = 5
    }

    private(set) var bytes: [UInt8] = []

    init() {}

    private mutating func key(_ field: Int, _ type: WireType) { self.varint(UInt64(field) << 3 | type.rawValue) }

    /// A number without a key.
    mutating func varint(_ number: UInt64) { self.bytes.append(varint: number) }

    mutating func unsigned(_ field: Int, _ number: UInt64) {
        self.key(field, .varint)
        self.varint(number)
    }

    /// A `sint32` or `sint64`.
    mutating func zigzag(_ field: Int, _ number: Int64) { self.unsigned(field, number.zigzag) }

    mutating func double(_ field: Int, _ number: Double) { self.fixed64(field, number.bitPattern) }

    mutating func fixed64(_ field: Int, _ number: UInt64) {
        self.key(field, .fixed64)
        withUnsafeBytes(of: number.littleEndian) {
            // The eight bytes of this number.
            self.bytes.append(contentsOf: $0)
        }
    }

    mutating func fixed32(_ field: Int, _ number: UInt32) {
        self.key(field, .fixed32)
        withUnsafeBytes(of: number.littleEndian) {
            // The four bytes of this number.
            self.bytes.append(contentsOf: $0)
        }
    }

    mutating func text(_ field: Int, _ text: String) {
        self.key(field, .bytes)
        self.varint(UInt64(text.utf8.count))
        self.bytes.append(contentsOf: text.utf8)
    }

    mutating func bytes(_ field: Int, _ bytes: [UInt8]) {
        self.key(field, .bytes)
        self.varint(UInt64(bytes.count))
        self.bytes.append(contentsOf: bytes)
    }

    /// A message within this one.
    mutating func message(_ field: Int, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        self.bytes(field, inner.bytes)
    }
}

extension [UInt8] {
    /// Appends a number in groups of seven bits.
    @inline(__always)
    mutating func append(varint number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            self.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.append(UInt8(truncatingIfNeeded: rest))
    }
}

extension Int64 {
    /// Small numbers of either sign as small numbers.
    var zigzag: UInt64 { UInt64(bitPattern: self << 1 ^ self >> 63) }
}
