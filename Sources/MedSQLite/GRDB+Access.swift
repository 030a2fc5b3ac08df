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
        try self.run(sql: statement.sql, statement.parameters, path: path)
        // After a statement that changes nothing, `changesCount` still tells of the one before it.
        return self.totalChangesCount == before ? 0 : self.changesCount
    }

    func run(sql: String, _ parameters: [SQLValue], path: String) throws {
        let prepared = try self.compile(sql, path: path) { try self.cachedStatement(sql: sql) }
        try prepared.bind(parameters, path: path)
        try prepared.execute()
    }

    /// Runs a statement of ours and returns its rows.
    func rows(_ statement: Statement, path: String) throws -> [Row] {
        let prepared = try self.compile(statement.sql, path: path) { try self.cachedStatement(sql: statement.sql) }
        try prepared.bind(statement.parameters, path: path)
        let columns = prepared.columnNames
        let cursor = try GRDB.Row.fetchCursor(prepared)
        var rows: [Row] = []
        while let row = try cursor.next() { rows.append(Row(columns: columns, row)) }
        return rows
    }

    /// The rows of a statement of ours, one after the other, and the names of the columns; the cursor has the statement to itself.
    func cursor(_ statement: Statement, path: String) throws -> (RowCursor, columns: [String]) {
        let prepared = try self.compile(statement.sql, path: path) { try self.makeStatement(sql: statement.sql) }
        try prepared.bind(statement.parameters, path: path)
        return (try GRDB.Row.fetchCursor(prepared), prepared.columnNames)
    }

    private func compile(
        _ sql: String, path: String, _ make: () throws -> GRDB.Statement
    ) throws -> GRDB.Statement {
        do {
            return try make()
        } catch let error as GRDB.DatabaseError where error.resultCode == .SQLITE_ERROR {
            // At this point nothing was bound yet, so SQLite's words can only quote the statement.
            throw DatabaseError(
                code: .invalidStatement,
                description: "Database '\(path)' does not understand `\(sql)`: \(error.message ?? "no reason given").")
        }
    }
}

extension GRDB.Statement {
    fileprivate func bind(_ parameters: [SQLValue], path: String) throws {
        var values: [DatabaseValue] = []
        values.reserveCapacity(parameters.count)
        for parameter in parameters { values.append(try parameter.databaseValue(path: path)) }
        try self.setArguments(StatementArguments(values))
    }
}

extension MedStorage.Row {
    init(columns: [String], _ row: GRDB.Row) {
        self.init(columns: columns, values: row.databaseValues.map(SQLValue.init))
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

    fileprivate func databaseValue(path: String) throws -> DatabaseValue {
        switch self {
        case .null: return .null
        case .integer(let value): return value.databaseValue
        case .double(let value):
            // SQLite makes it null, without a word.
            if value.isNaN { throw Self.unfit("A number that is none", path) }
            return value.databaseValue
        case .text(let value), .json(let value):
            // The text would end there, without a word. Postgres refuses it too.
            if value.utf8.contains(0) {
                throw DatabaseError(
                    code: .invalidStatement, description: "A text for database '\(path)' contains a NUL character.")
            }
            return value.databaseValue
        case .blob(let value): return Data(value).databaseValue
        case .boolean(let value): return value.databaseValue
        case .uuid(let value): return value.uuidString.lowercased().databaseValue
        case .timestamp(let value): return value.description.databaseValue
        case .array(let values):
            guard let text = SQLArrayText.text(of: values) else { throw Self.unfit("An array of that kind", path) }
            return text.databaseValue
        }
    }

    private static func unfit(_ what: String, _ path: String) -> DatabaseError {
        DatabaseError(code: .unexpectedValue, description: "\(what) cannot be stored in database '\(path)'.")
    }
}
