// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Makes a `Decodable` out of a row: one level of keys, which are the columns.
struct RowDecoder: Decoder {
    let row: Row
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Columns<Key>(row: self.row))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw self.mismatch("a list") }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw self.mismatch("a single value") }

    private func mismatch(_ what: String) -> DatabaseError {
        DatabaseError(code: .unexpectedValue, description: "A row has named columns; it is not \(what).")
    }

    /// A value of a type that turned out to be ``SQLConvertible``, as of that type again.
    private static func same<Value>(_ value: any SQLConvertible) throws -> Value {
        guard let value = value as? Value else {
            throw DatabaseError(code: .unexpectedValue, description: "A column holds no \(Value.self).")
        }
        return value
    }

    private struct Columns<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let row: Row
        let codingPath: [any CodingKey] = []

        var allKeys: [Key] { self.row.columns.compactMap { Key(stringValue: $0) } }
        func contains(_ key: Key) -> Bool { self.row.columns.contains(key.stringValue) }
        func decodeNil(forKey key: Key) -> Bool { self.row[key.stringValue] ?? .null == .null }

        func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
            if let convertible = type as? any SQLConvertible.Type {
                return try RowDecoder.same(self.open(convertible, key))
            }
            guard let value = self.row[key.stringValue] else {
                throw DatabaseError(
                    code: .unexpectedValue, description: "The result has no column '\(key.stringValue)'.")
            }
            return try type.init(from: Single(value: value, key: key))
        }

        private func open<Value: SQLConvertible>(_ type: Value.Type, _ key: Key) throws -> any SQLConvertible {
            try self.row.decode(key.stringValue, as: type)
        }

        func nestedContainer<NestedKey: CodingKey>(
            keyedBy type: NestedKey.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<NestedKey> {
            throw self.isFlat(key)
        }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw self.isFlat(key) }
        func superDecoder() throws -> any Decoder { RowDecoder(row: self.row) }
        func superDecoder(forKey key: Key) throws -> any Decoder { throw self.isFlat(key) }

        private func isFlat(_ key: Key) -> DatabaseError {
            DatabaseError(
                code: .unexpectedValue,
                description: "Column '\(key.stringValue)' is a value; there is nothing within it.")
        }
    }

    /// One value, for enumerations and wrappers.
    private struct Single: Decoder, SingleValueDecodingContainer {
        let value: SQLValue
        let key: any CodingKey
        let codingPath: [any CodingKey] = []
        let userInfo: [CodingUserInfoKey: Any] = [:]

        func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
            throw self.isFlat
        }
        func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw self.isFlat }
        func singleValueContainer() -> any SingleValueDecodingContainer { self }

        func decodeNil() -> Bool { self.value == .null }

        func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
            guard let convertible = type as? any SQLConvertible.Type else { return try type.init(from: self) }
            return try RowDecoder.same(self.open(convertible))
        }

        private func open<Value: SQLConvertible>(_ type: Value.Type) throws -> any SQLConvertible {
            try Row(columns: [self.key.stringValue], values: [self.value]).decode(0, as: type)
        }

        private var isFlat: DatabaseError {
            DatabaseError(
                code: .unexpectedValue,
                description: "Column '\(self.key.stringValue)' is a value; there is nothing within it.")
        }
    }
}
