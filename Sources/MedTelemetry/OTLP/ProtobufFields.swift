// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Reads fields of a message that somebody else has written: anything may be in it.
enum ProtobufFields {
    enum Value {
        case varint(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    /// The last field with this number, which is the one that counts; `nil` if there is none, or all is malformed.
    static func last(_ number: UInt64, of message: ArraySlice<UInt8>) -> Value? {
        var rest = message
        var found: Value?
        while !rest.isEmpty {
            guard let key = Self.varint(&rest) else { return nil }
            var value: Value?
            switch key & 7 {
            case 0:
                guard let number = Self.varint(&rest) else { return nil }
                value = .varint(number)
            case 1:
                guard rest.count >= 8 else { return nil }
                rest = rest.dropFirst(8)
            case 2:
                guard let length = Self.varint(&rest), length <= UInt64(rest.count) else { return nil }
                value = .bytes(rest.prefix(Int(length)))
                rest = rest.dropFirst(Int(length))
            case 5:
                guard rest.count >= 4 else { return nil }
                rest = rest.dropFirst(4)
            default: return nil
            }
            if key >> 3 == number, let value { found = value }
        }
        return found
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            number |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return number }
        }
        return nil
    }
}
