// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One SQL statement whose values travel beside it, never inside it.
///
/// It is written as a literal. What is interpolated becomes a parameter, so there is no way to build SQL out of a value:
///
/// ```swift
/// let statement: Statement = "SELECT id FROM notes WHERE body = \(body)"
/// statement.sql           // SELECT id FROM notes WHERE body = $1
/// statement.parameters    // [.text(body)]
/// ```
public struct Statement: Sendable, ExpressibleByStringInterpolation {
    /// The text, with `$1`, `$2`, … where the parameters go.
    public let sql: String
    /// The values, in the order of their numbers.
    public let parameters: [SQLValue]

    /// A literal without parameters.
    public init(stringLiteral sql: StaticString) {
        self.sql = sql.description
        self.parameters = []
    }

    /// A literal with parameters.
    public init(stringInterpolation: StringInterpolation) {
        self.sql = stringInterpolation.sql
        self.parameters = stringInterpolation.parameters
    }

    /// Collects the text and the parameters of a literal.
    public struct StringInterpolation: StringInterpolationProtocol {
        var sql = ""
        var parameters: [SQLValue] = []

        /// Begins a literal of about this size.
        public init(literalCapacity: Int, interpolationCount: Int) {
            self.sql.reserveCapacity(literalCapacity + 3 * interpolationCount)
            self.parameters.reserveCapacity(interpolationCount)
        }

        /// Adds SQL.
        public mutating func appendLiteral(_ literal: StaticString) {
            self.sql += literal.description
        }

        /// Adds a parameter.
        public mutating func appendInterpolation(_ value: SQLValue) {
            self.parameters.append(value)
            self.sql += "$\(self.parameters.count)"
        }

        /// Adds a parameter.
        public mutating func appendInterpolation(_ value: String) {
            self.appendInterpolation(.text(value))
        }

        /// Adds a parameter.
        public mutating func appendInterpolation(_ value: Int) {
            self.appendInterpolation(.integer(Int64(value)))
        }
    }
}
