// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Writes a message of protocol buffers (Protocol Buffers, "Encoding"). Fields that have their default are left out, as proto3 does.
struct ProtobufWriter {
    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case fixed32 = 5
    }

    private(set) var bytes: [UInt8] = []

    init() {}

    private mutating func key(_ field: Int, _ type: WireType) { self.varint(UInt64(field) << 3 | type.rawValue) }

    /// A number without a key.
    mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(rest))
    }

    mutating func unsigned(_ field: Int, _ number: UInt64, keepsDefault: Bool = false) {
        guard number != 0 || keepsDefault else { return }
        self.key(field, .varint)
        self.varint(number)
    }

    mutating func signed(_ field: Int, _ number: Int64) { self.unsigned(field, UInt64(bitPattern: number)) }

    /// A `sint32` or `sint64`.
    mutating func zigzag(_ field: Int, _ number: Int64, keepsDefault: Bool = false) {
        self.unsigned(field, UInt64(bitPattern: number << 1 ^ number >> 63), keepsDefault: keepsDefault)
    }

    mutating func double(_ field: Int, _ number: Double, keepsDefault: Bool = false) {
        guard number.bitPattern != 0 || keepsDefault else { return }
        self.fixed64(field, number.bitPattern, keepsDefault: true)
    }

    mutating func fixed64(_ field: Int, _ number: UInt64, keepsDefault: Bool = false) {
        guard number != 0 || keepsDefault else { return }
        self.key(field, .fixed64)
        for shift in stride(from: 0, to: 64, by: 8) {
            self.bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }

    mutating func fixed32(_ field: Int, _ number: UInt32) {
        guard number != 0 else { return }
        self.key(field, .fixed32)
        for shift in stride(from: 0, to: 32, by: 8) {
            self.bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift)))
        }
    }

    mutating func text(_ field: Int, _ text: String, keepsDefault: Bool = false) {
        guard !text.isEmpty || keepsDefault else { return }
        self.key(field, .bytes)
        self.varint(UInt64(text.utf8.count))
        self.bytes.append(contentsOf: text.utf8)
    }

    mutating func bytes(_ field: Int, _ bytes: [UInt8], keepsDefault: Bool = false) {
        guard !bytes.isEmpty || keepsDefault else { return }
        self.key(field, .bytes)
        self.varint(UInt64(bytes.count))
        self.bytes.append(contentsOf: bytes)
    }

    /// A message within this one.
    mutating func message(_ field: Int, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        self.bytes(field, inner.bytes, keepsDefault: true)
    }

    /// What another writer has written.
    mutating func append(_ other: ProtobufWriter) { self.bytes.append(contentsOf: other.bytes) }

    /// A whole message after its length.
    mutating func delimited(_ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        self.varint(UInt64(inner.bytes.count))
        self.bytes.append(contentsOf: inner.bytes)
    }
}
