// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import GRDB
import MedStorage

/// The rows of one statement, read in batches on the connection's own queue.
final class StatementCursor: @unchecked Sendable {
    // Unchecked: the cursor is touched on the connection's queue alone.
    private static let batchSize = 256

    private let statement: Statement
    private var cursor: RowCursor?
    private var columns: [String] = []
    private var isClosed = false

    init(_ statement: Statement) { self.statement = statement }

    /// The next rows; none at the end.
    func next(_ db: GRDB.Database, path: String) throws -> [Row] {
        guard !self.isClosed else { return [] }
        let cursor: RowCursor
        if let begun = self.cursor {
            cursor = begun
        } else {
            (cursor, self.columns) = try db.cursor(self.statement, path: path)
            self.cursor = cursor
        }
        let columns = self.columns
        var rows: [Row] = []
        while rows.count < Self.batchSize, let row = try cursor.next() {
            rows.append(Row(columns: columns, row))
        }
        if rows.isEmpty { self.close() }
        return rows
    }

    /// Lets go of the statement, which holds a lock.
    func close() {
        self.isClosed = true
        self.cursor = nil
    }
}
