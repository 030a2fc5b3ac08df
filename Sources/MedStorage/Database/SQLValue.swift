// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A value on its way into or out of the database.
///
/// Postgres keeps all of these apart. SQLite stores the last five as text or numbers, and gives them back as such; ``SQLConvertible``
/// makes either into what the program asks for.
public enum SQLValue: Sendable, Hashable {
    /// No value.
    case null
    /// A whole number.
    case integer(Int64)
    /// A number in binary floating point.
    case double(Double)
    /// Text without NUL characters.
    case text(String)
    /// Bytes.
    case blob([UInt8])
    /// True or false; 1 or 0 in SQLite.
    case boolean(Bool)
    /// An identifier; text in SQLite.
    case uuid(UUID)
    /// A moment; text in SQLite.
    case timestamp(SQLTimestamp)
    /// The text of a JSON value.
    case json(String)
    /// Values of one kind, or nulls; the text of a JSON array in SQLite.
    case array([SQLValue])

    /// The integer, or nil if this is anything else.
    public var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }

    /// What kind of value it is, for a sentence.
    var kind: String {
        switch self {
        case .null: "null"
        case .integer: "an integer"
        case .double: "a floating-point number"
        case .text: "text"
        case .blob: "bytes"
        case .boolean: "a boolean"
        case .uuid: "a UUID"
        case .timestamp: "a timestamp"
        case .json: "JSON"
        case .array: "an array"
        }
    }
}
