// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import GRDB
import MedStorage
import Synchronization

/// One transaction on the connection that writes. It is used by one task's closure and ended by ``SQLiteDatabase``.
///
/// Every step is an access of its own, so that no thread is held between them. All of them, the last included, run on the one
/// queue of the connection: there, a step that comes late sees that the transaction is over.
final class SQLiteTransaction: Transaction {
    private let path: String
    private let writer: any DatabaseWriter
    private let identity: FileIdentity
    private let turn: WriterQueue.Turn
    private let isReadOnly: Bool
    private let observer: (any DatabaseObserver)?
    private let failed: @Sendable (DatabaseError) -> Void
    private let isOver = Atomic(false)
    private let savepoints = Atomic(0)
    private let sent = Mutex<[(channel: String, payload: String)]>([])

    /// `identity` is that of the file that was opened; `failed` hears of every failure of the database.
    init(
        path: String,
        writer: any DatabaseWriter,
        identity: FileIdentity,
        turn: WriterQueue.Turn,
        isReadOnly: Bool,
        observer: (any DatabaseObserver)?,
        failed: @escaping @Sendable (DatabaseError) -> Void
    ) {
        self.path = path
        self.writer = writer
        self.identity = identity
        self.turn = turn
        self.isReadOnly = isReadOnly
        self.observer = observer
        self.failed = failed
    }

    func execute(_ statement: Statement) async throws(DatabaseError) -> Int {
        try await self.step(statement.sql) { db, path in try db.run(statement, path: path) }
    }

    func query(_ statement: Statement) async throws(DatabaseError) -> [Row] {
        try await self.step(statement.sql) { db, path in try db.rows(statement, path: path) }
    }

    func executeAll(_ statements: [Statement]) async throws(DatabaseError) -> [Int] {
        if statements.contains(where: { SQLOperation.controlsTransaction($0.sql) }) {
            throw .transactionControl(database: self.path)
        }
        return try await self.step(statements.first?.sql ?? "", count: statements.count) { db, path in
            var counts: [Int] = []
            counts.reserveCapacity(statements.count)
            var last: (sql: String, run: ([SQLValue]) throws -> Int)?
            for statement in statements {
                if last?.sql != statement.sql { last = (statement.sql, try db.runner(statement.sql, path: path)) }
                if let last { counts.append(try last.run(statement.parameters)) }
            }
            return counts
        }
    }

    func copy(
        into table: String, columns: [String], rows: some Sequence<[SQLValue]> & Sendable
    ) async throws(DatabaseError) -> Int {
        let names = columns.map(\.quotedAsIdentifier).joined(separator: ", ")
        let places = (1...max(columns.count, 1)).map { "$\($0)" }.joined(separator: ", ")
        let sql = "INSERT INTO \(table.quotedAsIdentifier) (\(names)) VALUES (\(places))"
        return try await self.step(sql, as: .copy) { db, path in
            var count = 0
            let run = try db.runner(sql, path: path)
            for row in rows {
                guard row.count == columns.count else {
                    throw DatabaseError(
                        code: .unexpectedValue,
                        description: "A row for table '\(table)' has \(row.count) values for \(columns.count) columns.")
                }
                count += try run(row)
            }
            return count
        }
    }

    func stream<Result>(
        _ statement: Statement, _ body: (inout RowStream) async throws -> Result
    ) async throws -> Result {
        let cursor = StatementCursor(statement)
        var rows = RowStream {
            try await self.step(statement.sql) { db, path in try cursor.next(db, path: path) }
        }
        do {
            let result = try await body(&rows)
            try await self.unobserved { _ in cursor.close() }
            return result
        } catch {
            try? await self.unobserved { _ in cursor.close() }
            throw error
        }
    }

    func savepoint<Result>(_ body: () async throws -> Result) async throws -> Result {
        let name = "med\(self.savepoints.add(1, ordering: .relaxed).newValue)"
        try await self.step("SAVEPOINT", as: .other) { db, _ in try db.execute(sql: "SAVEPOINT \(name)") }
        do {
            let result = try await body()
            try Task.checkCancellation()
            try await self.step("RELEASE", as: .other) { db, _ in try db.execute(sql: "RELEASE \(name)") }
            return result
        } catch {
            do {
                try await self.step("ROLLBACK TO", as: .other) { db, _ in
                    try db.execute(sql: "ROLLBACK TO \(name); RELEASE \(name)")
                }
            } catch {
                // What was to be undone is still there, and must not be committed.
                await self.rollback()
            }
            throw error
        }
    }

    func notify(_ channel: String, payload: String) async throws(DatabaseError) {
        if self.isOver.load(ordering: .relaxed) { throw self.ended }
        self.sent.withLock { $0.append((channel, payload)) }
    }

    /// What was sent in it, for after the commit.
    var notifications: [(channel: String, payload: String)] { self.sent.withLock { $0 } }

    func begin() async throws(DatabaseError) {
        try await self.access("BEGIN", as: .begin) { db in
            // Nothing should be open here; but if an earlier ROLLBACK failed, this transaction must not become part of that one.
            try db.rollback()
            try self.identity.require(at: self.path)
            try db.beginTransaction(self.isReadOnly ? .deferred : .immediate)
            if self.isReadOnly { try db.execute(sql: "PRAGMA query_only = ON") }
        }
    }

    /// Lets the next transaction write.
    private func allowWriting(_ db: GRDB.Database) throws {
        if self.isReadOnly { try db.execute(sql: "PRAGMA query_only = OFF") }
    }

    /// Ends the transaction with its work done, or throws with nothing done.
    func commit() async throws(DatabaseError) {
        try await self.access("COMMIT", as: .commit) { db in
            // Abandoned, the connection may be in the transaction of somebody else by now.
            if self.isOver.exchange(true, ordering: .relaxed) { throw self.ended }
            try self.allowWriting(db)
            do {
                try self.requireOpen(db)
                // A file that was deleted or replaced takes the commit, and nobody ever finds it.
                try self.identity.require(at: self.path)
                try db.commit()
            } catch {
                try? db.rollback()
                throw error
            }
        }
    }

    /// Ends the transaction with nothing done.
    func rollback() async {
        try? await self.access("ROLLBACK", as: .rollback) { db in
            if !self.isOver.exchange(true, ordering: .relaxed) {
                try self.allowWriting(db)
                try db.rollback()
            }
        }
    }

    func abandon() {
        self.writer.asyncWriteWithoutTransaction { db in
            // A task of the same request may still be in the closure: whatever it does now fails.
            if !self.isOver.exchange(true, ordering: .relaxed), db.sqliteConnection != nil {
                try? self.allowWriting(db)
                try? db.rollback()
            }
            self.turn.end()
        }
    }

    private func step<Value: Sendable>(
        _ sql: String, as operation: SQLOperation? = nil, count: Int = 1,
        _ body: @escaping @Sendable (GRDB.Database, String) throws -> Value
    ) async throws(DatabaseError) -> Value {
        if operation == nil, SQLOperation.controlsTransaction(sql) { throw .transactionControl(database: self.path) }
        return try await self.access(sql, as: operation, count: count) { db in
            if self.isOver.load(ordering: .relaxed) { throw self.ended }
            try self.requireOpen(db)
            let result = try body(db, self.path)
            try self.requireOpen(db)
            return result
        }
    }

    /// SQLite rolls back by itself after some errors; what comes then would run outside of any transaction.
    private func requireOpen(_ db: GRDB.Database) throws {
        if !db.isInsideTransaction { throw self.ended }
    }

    private var ended: DatabaseError {
        DatabaseError(
            code: .transactionEnded,
            description:
                "The transaction on database '\(self.path)' is over: its closure has returned, an earlier error undid it, "
                + "or a statement ended it."
        )
    }

    private func access<Value: Sendable>(
        _ sql: String, as operation: SQLOperation? = nil, count: Int = 1,
        _ body: @escaping @Sendable (GRDB.Database) throws -> Value
    ) async throws(DatabaseError) -> Value {
        try await self.observer.observe(sql, as: operation, count: count) { () async throws(DatabaseError) in
            try await self.unobserved(body)
        }
    }

    private func unobserved<Value: Sendable>(
        _ body: @escaping @Sendable (GRDB.Database) throws -> Value
    ) async throws(DatabaseError) -> Value {
        do {
            return try await self.writer.access(path: self.path, body)
        } catch {
            // What was asked for says nothing about the file.
            if !(self.isReadOnly && error.code == .readOnly) { self.failed(error) }
            throw error
        }
    }
}
