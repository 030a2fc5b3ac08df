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
///
/// Another statement can be spliced in, so that a part of one can depend on the program:
///
/// ```swift
/// let filter: Statement = onlyMine ? "AND author = \(me)" : ""
/// let statement: Statement = "SELECT id FROM notes WHERE body = \(body) \(filter)"
/// ```
public struct Statement: Sendable, ExpressibleByStringInterpolation {
    /// The text, with `$1`, `$2`, … where the parameters go.
    public let sql: String
    /// The values, in the order of their numbers.
    public let parameters: [SQLValue]
    /// Where each parameter is in the text, in bytes of UTF-8: a `$1` in a quoted text is none.
    private let places: [Int]

    /// A literal without parameters.
    public init(stringLiteral sql: StaticString) {
        self.sql = sql.description
        self.parameters = []
        self.places = []
    }

    /// A literal with parameters.
    public init(stringInterpolation: StringInterpolation) {
        self.sql = stringInterpolation.sql
        self.parameters = stringInterpolation.parameters
        self.places = stringInterpolation.places
    }

    /// A statement with other words before it, for drivers.
    ///
    /// - Parameters:
    ///   - prefix: SQL without parameters, which the driver has made.
    ///   - statement: what follows it.
    public init(prefix: String, _ statement: Statement) {
        self.sql = prefix + statement.sql
        self.parameters = statement.parameters
        let length = prefix.utf8.count
        self.places = statement.places.map { $0 + length }
    }

    /// The text around the parameters, one piece more than there are of these.
    fileprivate var pieces: [Substring] {
        var pieces: [Substring] = []
        var start = self.sql.startIndex
        for (index, place) in self.places.enumerated() {
            let end = self.sql.utf8.index(self.sql.startIndex, offsetBy: place)
            pieces.append(self.sql[start..<end])
            start = self.sql.utf8.index(end, offsetBy: 1 + String(index + 1).utf8.count)
        }
        return pieces + [self.sql[start...]]
    }

    /// Collects the text and the parameters of a literal.
    public struct StringInterpolation: StringInterpolationProtocol {
        var sql = ""
        var parameters: [SQLValue] = []
        var places: [Int] = []

        /// Begins a literal of about this size.
        public init(literalCapacity: Int, interpolationCount: Int) {
            self.sql.reserveCapacity(literalCapacity + 3 * interpolationCount)
            self.parameters.reserveCapacity(interpolationCount)
            self.places.reserveCapacity(interpolationCount)
        }

        /// Adds SQL.
        public mutating func appendLiteral(_ literal: StaticString) {
            self.sql += literal.description
        }

        /// Adds a parameter.
        public mutating func appendInterpolation(_ value: some SQLConvertible) {
            self.append(value.sqlValue)
        }

        /// Adds a parameter, null if there is no value.
        public mutating func appendInterpolation<Value: SQLConvertible>(_ value: Value?) {
            self.append(value.sqlValue)
        }

        private mutating func append(_ value: SQLValue) {
            self.parameters.append(value)
            self.places.append(self.sql.utf8.count)
            self.sql.append("$")
            self.sql.append(String(self.parameters.count))
        }

        /// Splices another statement in, with its parameters.
        public mutating func appendInterpolation(_ statement: Statement) {
            let pieces = statement.pieces
            for (piece, parameter) in zip(pieces, statement.parameters) {
                self.sql += piece
                self.append(parameter)
            }
            self.sql += pieces.last ?? ""
        }
    }
}
