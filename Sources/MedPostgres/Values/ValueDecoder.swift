// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Foundation
import MedStorage

/// Reads values in the server's binary form (PostgreSQL, the `…send` functions of each type).
enum ValueDecoder {
    /// A value of a type.
    ///
    /// - Returns: nil if the type is not one of ours, or if the bytes are no value of it.
    static func value(_ bytes: UnsafeRawBufferPointer, type: Oid) -> SQLValue? {
        switch type {
        case PostgresType.int8: return self.integer(bytes, Int64.self).map { .integer($0) }
        case PostgresType.int4: return self.integer(bytes, Int32.self).map { .integer(Int64($0)) }
        case PostgresType.int2: return self.integer(bytes, Int16.self).map { .integer(Int64($0)) }
        case PostgresType.oid: return self.integer(bytes, UInt32.self).map { .integer(Int64($0)) }
        case PostgresType.text, PostgresType.varchar, PostgresType.bpchar, PostgresType.name, PostgresType.char,
            PostgresType.unknown:
            return .text(String(decoding: bytes, as: UTF8.self))
        case PostgresType.bool: return bytes.count == 1 ? .boolean(bytes[0] != 0) : nil
        case PostgresType.float8: return self.integer(bytes, UInt64.self).map { .double(Double(bitPattern: $0)) }
        case PostgresType.float4:
            return self.integer(bytes, UInt32.self).map { .double(Double(Float(bitPattern: $0))) }
        case PostgresType.bytea: return .blob(Array(bytes))
        case PostgresType.uuid:
            guard bytes.count == 16 else { return nil }
            return .uuid(UUID(uuid: bytes.loadUnaligned(as: uuid_t.self)))
        case PostgresType.timestamptz, PostgresType.timestamp:
            guard let number = self.integer(bytes, Int64.self) else { return nil }
            return self.timestamp(number).map { .timestamp($0) }
        case PostgresType.date:
            guard let days = self.integer(bytes, Int32.self) else { return nil }
            if days == .max { return .timestamp(.infinity) }
            if days == .min { return .timestamp(.negativeInfinity) }
            let (number, isOver) = Int64(days).multipliedReportingOverflow(by: 86_400_000_000)
            return isOver ? nil : self.timestamp(number).map { .timestamp($0) }
        case PostgresType.json: return .json(String(decoding: bytes, as: UTF8.self))
        case PostgresType.jsonb:
            // One byte tells the version of the form.
            guard bytes.first == 1 else { return nil }
            return .json(String(decoding: bytes.dropFirst(), as: UTF8.self))
        case PostgresType.numeric: return self.numeric(bytes).map { .text($0) }
        case PostgresType.void: return .null
        default:
            guard PostgresType.element(of: type) != nil else { return nil }
            return self.array(bytes)
        }
    }

    /// Nil for the last centuries before 294277, which the server counts from 2000 and we, from 1970, cannot.
    private static func timestamp(_ number: Int64) -> SQLTimestamp? {
        switch number {
        case .max: return .infinity
        case .min: return .negativeInfinity
        default:
            let (sum, isOver) = number.addingReportingOverflow(PostgresType.epoch)
            return isOver || sum == .max ? nil : SQLTimestamp(microsecondsSince1970: sum)
        }
    }

    private static func integer<Number: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, _: Number.Type
    ) -> Number? {
        guard bytes.count == MemoryLayout<Number>.size else { return nil }
        return Number(bigEndian: bytes.loadUnaligned(as: Number.self))
    }

    /// Takes numbers and pieces off the front.
    private struct Reader {
        var bytes: UnsafeRawBufferPointer
        var position = 0

        mutating func integer<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
            guard let piece = self.piece(MemoryLayout<Number>.size) else { return nil }
            return Number(bigEndian: piece.loadUnaligned(as: Number.self))
        }

        mutating func piece(_ count: Int) -> UnsafeRawBufferPointer? {
            guard count >= 0, self.position + count <= self.bytes.count else { return nil }
            defer { self.position += count }
            return UnsafeRawBufferPointer(rebasing: self.bytes[self.position..<(self.position + count)])
        }
    }

    /// `array_send`: dimensions, whether there are nulls, the type of the elements, for each dimension its length and first index, and
    /// then each element with its length, -1 for null.
    private static func array(_ bytes: UnsafeRawBufferPointer) -> SQLValue? {
        var reader = Reader(bytes: bytes)
        guard let dimensions = reader.integer(Int32.self), reader.integer(Int32.self) != nil,
            let type = reader.integer(UInt32.self)
        else { return nil }
        if dimensions == 0 { return .array([]) }
        guard dimensions == 1, let count = reader.integer(Int32.self), reader.integer(Int32.self) != nil, count >= 0
        else { return nil }
        var values: [SQLValue] = []
        values.reserveCapacity(min(Int(count), bytes.count / 4))
        for _ in 0..<count {
            guard let length = reader.integer(Int32.self) else { return nil }
            if length == -1 {
                values.append(.null)
            } else {
                guard let piece = reader.piece(Int(length)), let value = self.value(piece, type: type) else {
                    return nil
                }
                values.append(value)
            }
        }
        return .array(values)
    }

    /// `numeric_send`: the number of digits to the base of 10,000, the weight of the first, the sign, the number of decimals, the digits.
    private static func numeric(_ bytes: UnsafeRawBufferPointer) -> String? {
        var reader = Reader(bytes: bytes)
        guard let count = reader.integer(Int16.self), let weight = reader.integer(Int16.self),
            let sign = reader.integer(UInt16.self), let scale = reader.integer(Int16.self), count >= 0, scale >= 0
        else { return nil }
        switch sign {
        case 0xC000: return "NaN"
        case 0xD000: return "Infinity"
        case 0xF000: return "-Infinity"
        default: break
        }
        var digits: [Int16] = []
        for _ in 0..<count {
            guard let digit = reader.integer(Int16.self), (0..<10_000).contains(digit) else { return nil }
            digits.append(digit)
        }
        func group(_ position: Int) -> String {
            let digit = digits.indices.contains(position) ? digits[position] : 0
            let text = String(digit)
            return String(repeating: "0", count: 4 - text.count) + text
        }
        var text = weight < 0 ? "0" : ""
        for position in 0..<max(0, Int(weight) + 1) { text += group(position) }
        let whole = text.drop { $0 == "0" }
        text = (sign == 0x4000 ? "-" : "") + (whole.isEmpty ? "0" : whole)
        guard scale > 0 else { return text }
        var decimals = ""
        var position = Int(weight) + 1
        // A number below 0.0001 begins further to the right.
        while decimals.count < scale {
            decimals += position < 0 ? "0000" : group(position)
            position += 1
        }
        return text + "." + decimals.prefix(Int(scale))
    }
}
