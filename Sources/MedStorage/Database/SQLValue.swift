// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A value on its way into or out of the database.
public enum SQLValue: Sendable, Equatable {
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

    /// The integer, or nil if this is anything else.
    public var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }
}
