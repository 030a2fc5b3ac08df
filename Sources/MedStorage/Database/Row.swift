// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One row of a result.
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
}
