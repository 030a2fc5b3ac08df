// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import GRDB
import GRDBSQLite
import MedStorage

/// An INSERT, UPDATE or DELETE, run through SQLite's own interface: GRDB's way of running one costs more than the row.
///
/// GRDB has prepared it, keeps it, and owns the connection, on whose queue this runs.
struct ChangingStatement {
    private static let verbs = ["INSERT", "UPDATE", "DELETE", "REPLACE"]

    private let prepared: GRDB.Statement
    private let connection: SQLiteConnection

    /// Nil for any other statement.
    init?(_ prepared: GRDB.Statement, _ db: GRDB.Database) {
        let sql = prepared.sql.utf8
        // Anything before the verb, such as a comment, leaves it to GRDB.
        guard Self.verbs.contains(where: { verb in sql.count > verb.utf8.count && sql.starts(with: verb.utf8) }),
            let connection = db.sqliteConnection
        else { return nil }
        self.prepared = prepared
        self.connection = connection
    }

    /// Runs it with these parameters and returns the number of rows it changed.
    func run(_ parameters: [SQLValue], path: String) throws -> Int {
        let statement = self.prepared.sqliteStatement
        sqlite3_reset(statement)
        guard sqlite3_bind_parameter_count(statement) == parameters.count else {
            throw DatabaseError(
                code: .invalidStatement,
                description:
                    "Database '\(path)' got \(parameters.count) parameters for a statement with another number of places."
            )
        }
        for (index, parameter) in parameters.enumerated() {
            try self.check(parameter.bind(to: statement, at: Int32(index + 1), path: path))
        }
        var code = SQLITE_ROW
        // What it returns, nobody has asked for.
        while code == SQLITE_ROW { code = sqlite3_step(statement) }
        let changes = sqlite3_changes64(self.connection)
        // It gives the locks of an unfinished statement back, and says again what went wrong.
        sqlite3_reset(statement)
        if code != SQLITE_DONE { try self.check(code) }
        return Int(changes)
    }

    private func check(_ code: CInt) throws {
        guard code != SQLITE_OK else { return }
        throw GRDB.DatabaseError(resultCode: ResultCode(rawValue: sqlite3_extended_errcode(self.connection)))
    }
}

extension SQLValue {
    /// Binds the value as SQLite stores it.
    fileprivate func bind(to statement: SQLiteStatement, at index: CInt, path: String) throws -> CInt {
        switch try self.stored(path: path) {
        case .integer(let value): sqlite3_bind_int64(statement, index, value)
        case .double(let value): sqlite3_bind_double(statement, index, value)
        case .blob(let value):
            value.withUnsafeBytes { bytes in
                // Without an address it would be null.
                bytes.isEmpty
                    ? sqlite3_bind_zeroblob(statement, index, 0)
                    : sqlite3_bind_blob64(statement, index, bytes.baseAddress, UInt64(bytes.count), Self.copied)
            }
        case .text(var value):
            value.withUTF8 { text in
                text.withMemoryRebound(to: CChar.self) { characters in
                    sqlite3_bind_text64(
                        statement, index, characters.baseAddress, UInt64(characters.count), Self.copied,
                        UInt8(SQLITE_UTF8))
                }
            }
        default: sqlite3_bind_null(statement, index)
        }
    }

    /// SQLITE_TRANSIENT: SQLite makes a copy.
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    // In sqlite3.h it is a macro, a number made a function pointer, which Swift does not see.
}
