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
        try self.runner(statement.sql, path: path)(statement.parameters)
    }

    /// What runs a statement, with one list of parameters after the other, and returns the number of rows it changed.
    func runner(_ sql: String, path: String) throws -> ([SQLValue]) throws -> Int {
        let prepared = try self.prepared(sql, path: path)
        if let changing = ChangingStatement(prepared, self) { return { try changing.run($0, path: path) } }
        return { parameters in
            let before = self.totalChangesCount
            try prepared.execute(arguments: SQLValue.arguments(parameters, path: path))
            // After a statement that changes nothing, `changesCount` still tells of the one before it.
            return self.totalChangesCount == before ? 0 : self.changesCount
        }
    }

    /// The statement as SQLite keeps it, for one use after the other.
    private func prepared(_ sql: String, path: String) throws -> GRDB.Statement {
        try self.compile(sql, path: path) { try self.cachedStatement(sql: sql) }
    }

    /// Runs a statement of ours and returns its rows.
    func rows(_ statement: Statement, path: String) throws -> [Row] {
        let prepared = try self.prepared(statement.sql, path: path)
        try prepared.setArguments(SQLValue.arguments(statement.parameters, path: path))
        let columns = prepared.columnNames
        let cursor = try GRDB.Row.fetchCursor(prepared)
        var rows: [Row] = []
        while let row = try cursor.next() { rows.append(Row(columns: columns, row)) }
        return rows
    }

    /// The rows of a statement of ours, one after the other, and the names of the columns; the cursor has the statement to itself.
    func cursor(_ statement: Statement, path: String) throws -> (RowCursor, columns: [String]) {
        let prepared = try self.compile(statement.sql, path: path) { try self.makeStatement(sql: statement.sql) }
        try prepared.setArguments(SQLValue.arguments(statement.parameters, path: path))
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

    /// Parameters as GRDB takes them. As values of any type: a list of its own `DatabaseValue` goes a way that costs more than the insertion.
    fileprivate static func arguments(_ parameters: [SQLValue], path: String) throws -> StatementArguments {
        var arguments: [(any DatabaseValueConvertible)?] = []
        arguments.reserveCapacity(parameters.count)
        for parameter in parameters {
            switch try parameter.stored(path: path) {
            case .integer(let value): arguments.append(value)
            case .double(let value): arguments.append(value)
            case .text(let value): arguments.append(value)
            case .blob(let value): arguments.append(Data(value))
            default: arguments.append(nil)
            }
        }
        return StatementArguments(arguments)
    }

    /// The value as one of the five kinds that SQLite stores: null, integer, double, text or blob.
    func stored(path: String) throws -> SQLValue {
        switch self {
        case .null, .integer, .blob: return self
        case .double(let value):
            // SQLite makes it null, without a word.
            if value.isNaN { throw Self.unfit("A number that is none", path) }
            return self
        case .text(let value), .json(let value):
            // The text would end there, without a word. Postgres refuses it too.
            if value.hasNUL {
                throw DatabaseError(
                    code: .invalidStatement, description: "A text for database '\(path)' contains a NUL character.")
            }
            return .text(value)
        case .boolean(let value): return .integer(value ? 1 : 0)
        case .uuid(let value): return .text(value.uuidString.lowercased())
        case .timestamp(let value): return .text(value.description)
        case .array(let values):
            guard let text = SQLArrayText.text(of: values) else { throw Self.unfit("An array of that kind", path) }
            return .text(text)
        }
    }

    private static func unfit(_ what: String, _ path: String) -> DatabaseError {
        DatabaseError(code: .unexpectedValue, description: "\(what) cannot be stored in database '\(path)'.")
    }
}

extension String {
    fileprivate var hasNUL: Bool {
        var text = self
        return text.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return false }
            return memchr(base, 0, bytes.count) != nil
        }
    }
}
