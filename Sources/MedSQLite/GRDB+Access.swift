// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import MedStorage

extension DatabaseWriter {
    /// Runs `body` on the connection's own dispatch queue, whatever becomes of the task in the meantime.
    ///
    /// GRDB's asynchronous methods stop at a cancelled task, and would do so at the very COMMIT or ROLLBACK that ends its transaction.
    func access<Value: Sendable>(
        path: String,
        _ body: @escaping @Sendable (GRDB.Database) throws -> Value
    ) async throws(DatabaseError) -> Value {
        let result: Result<Value, DatabaseError> = await withCheckedContinuation { continuation in
            self.asyncWriteWithoutTransaction { db in
                continuation.resume(
                    returning: Result {
                        guard db.sqliteConnection != nil else { throw DatabaseError.closed(path: path) }
                        return try body(db)
                    }
                    .mapError { DatabaseError($0, path: path) }
                )
            }
        }
        return try result.get()
    }
}

extension GRDB.Database {
    /// Runs a statement of ours and returns the number of rows it changed.
    func run(_ statement: Statement, path: String) throws -> Int {
        let before = self.totalChangesCount
        let prepared = try self.prepare(statement, path: path)
        try prepared.execute()
        // After a statement that changes nothing, `changesCount` still tells of the one before it.
        return self.totalChangesCount == before ? 0 : self.changesCount
    }

    /// Runs a statement of ours and returns its rows.
    func rows(_ statement: Statement, path: String) throws -> [Row] {
        let prepared = try self.prepare(statement, path: path)
        let columns = prepared.columnNames
        let cursor = try GRDB.Row.fetchCursor(prepared)
        var rows: [Row] = []
        while let row = try cursor.next() {
            rows.append(Row(columns: columns, values: row.databaseValues.map(SQLValue.init)))
        }
        return rows
    }

    private func prepare(_ statement: Statement, path: String) throws -> GRDB.Statement {
        let prepared: GRDB.Statement
        do {
            prepared = try self.cachedStatement(sql: statement.sql)
        } catch let error as GRDB.DatabaseError where error.resultCode == .SQLITE_ERROR {
            // At this point nothing was bound yet, so SQLite's words can only quote the statement.
            throw DatabaseError(
                code: .invalidStatement,
                description:
                    "Database '\(path)' does not understand `\(statement.sql)`: \(error.message ?? "no reason given")."
            )
        }
        for case .text(let text) in statement.parameters where text.utf8.contains(0) {
            // The text would end there, without a word. Postgres refuses it too.
            throw DatabaseError(
                code: .invalidStatement, description: "A text for database '\(path)' contains a NUL character.")
        }
        try prepared.setArguments(StatementArguments(statement.parameters.map(\.databaseValue)))
        return prepared
    }
}

extension SQLValue {
    fileprivate init(_ value: DatabaseValue) {
        switch value.storage {
        case .null: self = .null
        case .int64(let value): self = .integer(value)
        case .double(let value): self = .double(value)
        case .string(let value): self = .text(value)
        case .blob(let value): self = .blob(Array(value))
        }
    }

    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let value): value.databaseValue
        case .double(let value): value.databaseValue
        case .text(let value): value.databaseValue
        case .blob(let value): Data(value).databaseValue
        }
    }
}
