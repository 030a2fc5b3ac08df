// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One row of a result.
///
/// ```swift
/// let id = try row.decode("id", as: UUID.self)
/// let note = try row.decode(Note.self)          // its properties are called like the columns
/// ```
public struct Row: Sendable, Equatable {
    /// The names of the columns, in the order of the statement.
    public let columns: [String]
    /// The values, in the same order.
    public let values: [SQLValue]

    /// A row as a driver read it.
    public init(columns: [String], values: [SQLValue]) {
        self.columns = columns
        self.values = values
    }

    /// The value at a position, which must exist.
    public subscript(position: Int) -> SQLValue { self.values[position] }

    /// The value of the first column of that name, or nil if there is none.
    public subscript(column: String) -> SQLValue? {
        self.columns.firstIndex(of: column).map { self.values[$0] }
    }

    /// The value of the first column of that name, as what the program wants.
    ///
    /// - Throws: `.unexpectedValue` if there is no such column, or if it holds something else; null is something else unless the
    ///   type is optional. The value is not in the error.
    public func decode<Value: SQLConvertible>(
        _ column: String, as type: Value.Type = Value.self
    ) throws(DatabaseError) -> Value {
        guard let position = self.columns.firstIndex(of: column) else {
            throw DatabaseError(code: .unexpectedValue, description: "The result has no column '\(column)'.")
        }
        return try self.decode(position, as: type)
    }

    /// The value at a position, as what the program wants.
    ///
    /// - Throws: `.unexpectedValue` as ``decode(_:as:)-(String,_)``.
    public func decode<Value: SQLConvertible>(
        _ position: Int, as type: Value.Type = Value.self
    ) throws(DatabaseError) -> Value {
        guard self.values.indices.contains(position) else {
            throw DatabaseError(
                code: .unexpectedValue,
                description: "The result has \(self.values.count) columns, and none at position \(position).")
        }
        guard let value = Value(sqlValue: self.values[position]) else {
            throw DatabaseError(
                code: .unexpectedValue,
                description:
                    "Column '\(self.columns[position])' holds \(self.values[position].kind), which is no \(Value.self)."
            )
        }
        return value
    }

    /// The row as a value whose properties are called like the columns, and are of types that are ``SQLConvertible``, or `Decodable`
    /// from one value.
    ///
    /// - Throws: `.unexpectedValue` for a column that is missing or holds something else; other errors of the type's own.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        do {
            return try type.init(from: RowDecoder(row: self))
        } catch let error as DecodingError {
            // Its text can quote the value.
            let path =
                switch error {
                case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                    context.codingPath.map(\.stringValue).joined(separator: ".")
                case .keyNotFound(let key, _): key.stringValue
                @unknown default: ""
                }
            throw DatabaseError(
                code: .unexpectedValue, description: "A row does not fit \(Value.self) at '\(path)'.")
        }
    }
}
