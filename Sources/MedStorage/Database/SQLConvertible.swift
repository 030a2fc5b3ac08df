// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A type whose values can be parameters of statements and be read from rows.
///
/// Conform your own by way of one that conforms already:
///
/// ```swift
/// extension PatientID: SQLConvertible {
///     var sqlValue: SQLValue { self.uuid.sqlValue }
///     init?(sqlValue: SQLValue) { UUID(sqlValue: sqlValue).map(Self.init(uuid:)) }
/// }
/// ```
public protocol SQLConvertible: Sendable {
    /// The value as the database gets it.
    var sqlValue: SQLValue { get }
    /// The value out of what a database gave; nil if that is something else.
    init?(sqlValue: SQLValue)
}

extension SQLValue: SQLConvertible {
    public var sqlValue: SQLValue { self }
    public init?(sqlValue: SQLValue) { self = sqlValue }
}

extension Optional: SQLConvertible where Wrapped: SQLConvertible {
    public var sqlValue: SQLValue { self?.sqlValue ?? .null }

    public init?(sqlValue: SQLValue) {
        if sqlValue == .null {
            self = .none
        } else if let value = Wrapped(sqlValue: sqlValue) {
            self = .some(value)
        } else {
            return nil
        }
    }
}

extension Bool: SQLConvertible {
    public var sqlValue: SQLValue { .boolean(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .boolean(let value): self = value
        // SQLite's.
        case .integer(0): self = false
        case .integer(1): self = true
        default: return nil
        }
    }
}

extension SQLConvertible where Self: FixedWidthInteger {
    /// The number; what does not fit into 64 bits with a sign goes as decimal text, for `numeric`.
    public var sqlValue: SQLValue { Int64(exactly: self).map { .integer($0) } ?? .text(String(self)) }

    /// The number, if it is in range.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .integer(let value):
            guard let value = Self(exactly: value) else { return nil }
            self = value
        // The sum of a column of BIGINT is NUMERIC in Postgres, which comes as text.
        case .text(let text):
            guard let value = Self(text) else { return nil }
            self = value
        default: return nil
        }
    }
}

extension Int: SQLConvertible {}
extension Int16: SQLConvertible {}
extension Int32: SQLConvertible {}
extension Int64: SQLConvertible {}
extension UInt8: SQLConvertible {}
extension UInt32: SQLConvertible {}
extension UInt64: SQLConvertible {}

extension Double: SQLConvertible {
    public var sqlValue: SQLValue { .double(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .double(let value): self = value
        // SQLite gives a whole number back as an integer where the column has no type.
        case .integer(let value):
            guard let value = Double(exactly: value) else { return nil }
            self = value
        default: return nil
        }
    }
}

extension String: SQLConvertible {
    public var sqlValue: SQLValue { .text(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .text(let text), .json(let text): self = text
        default: return nil
        }
    }
}

extension UUID: SQLConvertible {
    public var sqlValue: SQLValue { .uuid(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .uuid(let uuid): self = uuid
        case .text(let text): self.init(uuidString: text)
        default: return nil
        }
    }
}

extension SQLTimestamp: SQLConvertible {
    public var sqlValue: SQLValue { .timestamp(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .timestamp(let timestamp): self = timestamp
        case .text(let text): self.init(text)
        default: return nil
        }
    }
}

extension Date: SQLConvertible {
    public var sqlValue: SQLValue { .timestamp(SQLTimestamp(self)) }

    /// The date; nil for the infinities, too.
    public init?(sqlValue: SQLValue) {
        guard let date = SQLTimestamp(sqlValue: sqlValue)?.date else { return nil }
        self = date
    }
}

extension Data: SQLConvertible {
    public var sqlValue: SQLValue { .blob(Array(self)) }

    public init?(sqlValue: SQLValue) {
        guard case .blob(let bytes) = sqlValue else { return nil }
        self.init(bytes)
    }
}

extension Array: SQLConvertible where Element: SQLConvertible {
    /// Bytes are a blob, everything else is an array.
    public var sqlValue: SQLValue {
        // By its type: an empty array can be cast to any.
        // A cast would look at each of a million bytes.
        if Element.self == UInt8.self { return .blob(self.withUnsafeBytes { [UInt8]($0) }) }
        return .array(self.map(\.sqlValue))
    }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .blob(let bytes):
            guard Element.self == UInt8.self else { return nil }
            self = bytes.withUnsafeBytes { Self($0.bindMemory(to: Element.self)) }
        case .array(let values): self.init(values)
        case .text(let text):
            guard let values = SQLArrayText.values(of: text) else { return nil }
            self.init(values)
        default: return nil
        }
    }

    private init?(_ values: [SQLValue]) {
        var elements: [Element] = []
        elements.reserveCapacity(values.count)
        for value in values {
            guard let element = Element(sqlValue: value) else { return nil }
            elements.append(element)
        }
        self = elements
    }
}
