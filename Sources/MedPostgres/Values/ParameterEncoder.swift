// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Foundation
import MedStorage

/// The parameters of one statement as libpq takes them: in the server's binary form where its type is known and is ours, else as text,
/// which the server reads like a literal.
struct ParameterEncoder {
    /// What the server takes in one message at most, with room for the rest of it (PostgreSQL, `MaxAllocSize`).
    static let limit = (1 << 30) - (1 << 16)

    private static let null = -1

    /// All values, one after the other; each text ends with a zero byte.
    private var bytes: [UInt8] = []
    /// Where each begins, or ``null``.
    private var starts: [Int] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    /// Encodes parameters.
    ///
    /// - Parameter types: the types that the server has found for them; without, everything is text.
    /// - Throws: `.unexpectedValue` for a number that does not fit, `.invalidStatement` for text with a NUL character or another number
    ///   of parameters than the statement has, `.valueTooLarge`. No value is in the error.
    init(_ values: [SQLValue], types: [Oid]?, database: String) throws(DatabaseError) {
        if let types, types.count != values.count {
            throw DatabaseError(
                code: .invalidStatement,
                description:
                    "A statement for database '\(database)' has \(types.count) parameters, and \(values.count) values were given."
            )
        }
        var size = 0
        for value in values { size += Self.size(of: value) }
        // Before anything is copied: a gigabyte is no trifle.
        guard size <= Self.limit else {
            throw DatabaseError(
                code: .valueTooLarge,
                description:
                    "The parameters of a statement for database '\(database)' are longer than the 1 GiB that it takes.")
        }
        self.bytes.reserveCapacity(size + values.count)
        self.starts.reserveCapacity(values.count)
        self.lengths.reserveCapacity(values.count)
        self.formats.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            try self.append(value, as: types?[index], number: index + 1, database: database)
        }
    }

    /// Calls `body` with what libpq's sending functions take: pointers, lengths, formats.
    func withPointers<Value>(
        _ body: (Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Value
    ) -> Value {
        self.bytes.withUnsafeBytes { bytes in
            let base = bytes.baseAddress
            return withUnsafeTemporaryAllocation(
                of: UnsafePointer<CChar>?.self, capacity: max(self.starts.count, 1)
            ) { pointers in
                for (index, start) in self.starts.enumerated() {
                    let pointer = start == Self.null ? nil : base.map { $0 + start }
                    pointers.initializeElement(at: index, to: pointer?.assumingMemoryBound(to: CChar.self))
                }
                return self.lengths.withUnsafeBufferPointer { lengths in
                    self.formats.withUnsafeBufferPointer { formats in
                        body(
                            Int32(self.starts.count), UnsafePointer(pointers.baseAddress), lengths.baseAddress,
                            formats.baseAddress)
                    }
                }
            }
        }
    }

    /// About how many bytes a value takes; more for some, never much less.
    private static func size(of value: SQLValue) -> Int {
        switch value {
        case .null, .boolean: 1
        case .integer, .double: 24
        case .uuid, .timestamp: 40
        case .text(let text), .json(let text): text.utf8.count + 1
        case .blob(let bytes): bytes.count
        case .array(let values): values.reduce(20) { $0 + 4 + self.size(of: $1) }
        }
    }

    private mutating func append(
        _ value: SQLValue, as type: Oid?, number: Int, database: String
    ) throws(DatabaseError) {
        if value == .null {
            self.starts.append(Self.null)
            self.lengths.append(0)
            self.formats.append(0)
            return
        }
        let start = self.bytes.count
        if let type, try self.appendBinary(value, as: type, number: number, database: database) {
            self.formats.append(1)
        } else {
            self.bytes.append(contentsOf: try Self.text(of: value, number: number, database: database).utf8)
            self.bytes.append(0)
            self.formats.append(0)
        }
        self.starts.append(start)
        self.lengths.append(Int32(self.bytes.count - start))
    }

    // MARK: - Binary

    /// Appends the binary form of a value if it has one in that type.
    private mutating func appendBinary(
        _ value: SQLValue, as type: Oid, number: Int, database: String
    ) throws(DatabaseError) -> Bool {
        switch (value, type) {
        case (.integer(let value), PostgresType.int8): self.append(value)
        case (.integer(let value), PostgresType.int4):
            self.append(try Self.fitting(value, Int32.self, number: number, database: database))
        case (.integer(let value), PostgresType.int2):
            self.append(try Self.fitting(value, Int16.self, number: number, database: database))
        case (.integer(let value), PostgresType.float8): self.append(Double(value).bitPattern)
        case (.double(let value), PostgresType.float8): self.append(value.bitPattern)
        case (.boolean(let value), PostgresType.bool): self.bytes.append(value ? 1 : 0)
        // As SQLite keeps them, for columns that are to be the same in both.
        case (.boolean(let value), PostgresType.int8): self.append(Int64(value ? 1 : 0))
        case (.boolean(let value), PostgresType.int4): self.append(Int32(value ? 1 : 0))
        case (.boolean(let value), PostgresType.int2): self.append(Int16(value ? 1 : 0))
        case (.blob(let bytes), PostgresType.bytea): self.bytes.append(contentsOf: bytes)
        case (.uuid(let uuid), PostgresType.uuid):
            withUnsafeBytes(of: uuid.uuid) { self.bytes.append(contentsOf: $0) }
        case (.timestamp(let timestamp), PostgresType.timestamptz), (.timestamp(let timestamp), PostgresType.timestamp):
            self.append(try Self.serverTime(timestamp, number: number, database: database))
        case (.text(let text), PostgresType.text), (.text(let text), PostgresType.varchar):
            try Self.refuseNUL(text, number: number, database: database)
            self.bytes.append(contentsOf: text.utf8)
        case (.array(let values), _):
            guard let element = PostgresType.element(of: type) else { return false }
            let before = self.bytes.count
            if try self.appendArray(values, of: element, number: number, database: database) { return true }
            self.bytes.removeSubrange(before...)
            return false
        default: return false
        }
        return true
    }

    private mutating func appendArray(
        _ values: [SQLValue], of type: Oid, number: Int, database: String
    ) throws(DatabaseError) -> Bool {
        // As `array_recv` reads it, see ``ValueDecoder``.
        self.append(Int32(values.isEmpty ? 0 : 1))
        self.append(Int32(values.contains(.null) ? 1 : 0))
        self.append(type)
        guard !values.isEmpty else { return true }
        self.append(Int32(values.count))
        self.append(Int32(1))
        for value in values {
            if value == .null {
                self.append(Int32(-1))
                continue
            }
            let place = self.bytes.count
            self.append(Int32(0))
            if case .array = value { return false }
            guard try self.appendBinary(value, as: type, number: number, database: database) else { return false }
            let length = Int32(self.bytes.count - place - 4).bigEndian
            withUnsafeBytes(of: length) { self.bytes.replaceSubrange(place..<(place + 4), with: $0) }
        }
        return true
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { self.bytes.append(contentsOf: $0) }
    }

    private static func fitting<Number: FixedWidthInteger>(
        _ value: Int64, _: Number.Type, number: Int, database: String
    ) throws(DatabaseError) -> Number {
        guard let fitting = Number(exactly: value) else {
            throw DatabaseError(
                code: .unexpectedValue,
                description:
                    "Parameter \(number) of a statement for database '\(database)' is out of the range of its \(Number.bitWidth) bits."
            )
        }
        return fitting
    }

    private static func serverTime(
        _ timestamp: SQLTimestamp, number: Int, database: String
    ) throws(DatabaseError) -> Int64 {
        if timestamp == .infinity { return .max }
        if timestamp == .negativeInfinity { return .min }
        let (difference, isOver) = timestamp.microsecondsSince1970.subtractingReportingOverflow(PostgresType.epoch)
        guard !isOver else {
            throw DatabaseError(
                code: .unexpectedValue,
                description: "Parameter \(number) of a statement for database '\(database)' is a time out of range.")
        }
        return difference
    }

    // MARK: - Text

    /// A value as a literal of the server, without quotes.
    static func text(of value: SQLValue, number: Int, database: String) throws(DatabaseError) -> String {
        switch value {
        case .null: return ""
        case .integer(let value): return String(value)
        case .double(let value): return value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)"
        case .boolean(let value): return value ? "true" : "false"
        case .text(let text), .json(let text):
            try self.refuseNUL(text, number: number, database: database)
            return text
        case .blob(let bytes): return "\\x" + self.hexadecimal(bytes)
        case .uuid(let uuid): return uuid.uuidString
        case .timestamp(let timestamp): return timestamp.description
        case .array(let values):
            // An array literal (PostgreSQL, 8.15.2).
            var elements: [String] = []
            for value in values {
                if value == .null {
                    elements.append("NULL")
                    continue
                }
                let text = try self.text(of: value, number: number, database: database)
                if case .array = value {
                    elements.append(text)
                } else {
                    elements.append(self.quotedElement(text))
                }
            }
            return "{\(elements.joined(separator: ","))}"
        }
    }

    /// An element of an array literal. By scalars: a quote that a combining mark follows is a quote for the server.
    private static func quotedElement(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
            quoted.unicodeScalars.append(scalar)
        }
        quoted.unicodeScalars.append("\"")
        return quoted
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func refuseNUL(_ text: String, number: Int, database: String) throws(DatabaseError) {
        // libpq would end the text there, without a word.
        guard !text.utf8.contains(0) else {
            throw DatabaseError(
                code: .invalidStatement,
                description: "Parameter \(number) of a statement for database '\(database)' contains a NUL character.")
        }
    }
}
