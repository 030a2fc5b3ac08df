// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The value of a field that is no message, with its type in the protocol.
enum OTLPScalar {
    case text(String)
    case bytes([UInt8])
    /// Bytes that the JSON form writes in hexadecimal ("JSON Protobuf Encoding" of OTLP).
    case identifier([UInt8])
    case bool(Bool)
    case double(Double)
    case enumeration(Int32)
    case int64(Int64)
    case uint32(UInt32)
    case sint32(Int32)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case sfixed64(Int64)
    case packedFixed64([UInt64])
    case packedUInt64([UInt64])
    case packedDouble([Double])

    /// Whether it is what a field is that is left out.
    var isDefault: Bool {
        switch self {
        case .text(let text): text.isEmpty
        case .bytes(let bytes), .identifier(let bytes): bytes.isEmpty
        case .bool(let value): !value
        // Minus zero is not the default.
        case .double(let number): number.bitPattern == 0
        case .enumeration(let number), .sint32(let number): number == 0
        case .int64(let number), .sfixed64(let number): number == 0
        case .uint32(let number), .fixed32(let number): number == 0
        case .fixed64(let number): number == 0
        case .packedFixed64(let numbers), .packedUInt64(let numbers): numbers.isEmpty
        case .packedDouble(let numbers): numbers.isEmpty
        }
    }

    func write(_ field: Int, to writer: inout ProtobufWriter) {
        switch self {
        case .text(let text): writer.text(field, text)
        case .bytes(let bytes), .identifier(let bytes): writer.bytes(field, bytes)
        case .bool(let value): writer.unsigned(field, value ? 1 : 0)
        case .double(let number): writer.double(field, number)
        case .enumeration(let number): writer.unsigned(field, UInt64(bitPattern: Int64(number)))
        case .int64(let number): writer.unsigned(field, UInt64(bitPattern: number))
        case .uint32(let number): writer.unsigned(field, UInt64(number))
        case .sint32(let number): writer.zigzag(field, Int64(number))
        case .fixed32(let number): writer.fixed32(field, number)
        case .fixed64(let number): writer.fixed64(field, number)
        case .sfixed64(let number): writer.fixed64(field, UInt64(bitPattern: number))
        case .packedFixed64(let numbers): writer.bytes(field, numbers.flatMap(Self.littleEndian))
        case .packedDouble(let numbers): writer.bytes(field, numbers.flatMap { Self.littleEndian($0.bitPattern) })
        case .packedUInt64(let numbers):
            var packed = ProtobufWriter()
            for number in numbers { packed.varint(number) }
            writer.bytes(field, packed.bytes)
        }
    }

    func write(to writer: inout OTLPJSONWriter) {
        switch self {
        case .text(let text): writer.text(text)
        case .bytes(let bytes): writer.base64(bytes)
        case .identifier(let bytes): writer.text(HexText.text(bytes))
        case .bool(let value): writer.raw(value ? "true" : "false")
        case .double(let number): writer.double(number)
        case .enumeration(let number), .sint32(let number): writer.raw("\(number)")
        case .uint32(let number), .fixed32(let number): writer.raw("\(number)")
        case .int64(let number), .sfixed64(let number): writer.raw("\"\(number)\"")
        case .fixed64(let number): writer.raw("\"\(number)\"")
        case .packedFixed64(let numbers), .packedUInt64(let numbers):
            writer.array(numbers) { writer, number in writer.raw("\"\(number)\"") }
        case .packedDouble(let numbers): writer.array(numbers) { writer, number in writer.double(number) }
        }
    }

    private static func littleEndian(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64($0 * 8)) }
    }
}
