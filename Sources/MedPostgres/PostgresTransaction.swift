// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import MedStorage
import Synchronization

/// One transaction on a connection that is its own meanwhile. It is used by one task's closure and ended by ``PostgresDatabase``.
final class PostgresTransaction: Transaction {
    /// About how much of a result is in memory at a time.
    private static let batchBytes = 1 << 19

    private let connection: PostgresConnection
    private let options: TransactionOptions
    private let observer: (any DatabaseObserver)?
    private let failed: @Sendable (DatabaseError) -> Void
    private let isOver = Atomic(false)
    /// What begins it, until that was sent: it goes with the first statement, which saves one of three ways to the server and back.
    private let pendingBegin = Mutex<String?>(nil)
    private let names = Atomic(0)

    /// `failed` hears of every failure of the database.
    init(
        _ connection: PostgresConnection,
        _ options: TransactionOptions,
        observer: (any DatabaseObserver)?,
        failed: @escaping @Sendable (DatabaseError) -> Void
    ) {
        self.connection = connection
        self.options = options
        self.observer = observer
        self.failed = failed
    }

    // MARK: - Beginning and end

    func begin(_ limits: PostgresLimits) async throws(DatabaseError) {
        var sql = "BEGIN"
        if let isolation = self.options.isolation { sql += " ISOLATION LEVEL \(isolation.rawValue)" }
        if self.options.isReadOnly { sql += " READ ONLY" }
        // A pooler's session is not ours to set up, the transaction is.
        var settings = self.connection.isPooled ? limits.settings : []
        if let timeout = self.options.statementTimeout {
            settings.removeAll { $0.name == "statement_timeout" }
            settings.append(("statement_timeout", String(Int(timeout / .milliseconds(1)))))
        }
        guard !settings.isEmpty else {
            self.pendingBegin.withLock { $0 = sql }
            return
        }
        for setting in settings { sql += "; SET LOCAL \(setting.name) = \(setting.value)" }
        try await self.send(begin: sql)
    }

    private func send(begin sql: String) async throws(DatabaseError) {
        try await self.observer.observe("BEGIN", as: .begin) { () async throws(DatabaseError) in
            _ = try await self.access { () async throws(DatabaseError) in try await self.connection.command(sql) }
        }
    }

    /// What has to be sent before a statement; nil if the transaction has begun, or begins here because the statement has to be prepared.
    private func begin(before statement: Statement? = nil) async throws(DatabaseError) -> String? {
        guard let sql = self.pendingBegin.withLock({ $0.take() }) else { return nil }
        guard let statement, self.connection.isPrepared(statement) else {
            try await self.send(begin: sql)
            return nil
        }
        // Its time is the statement's.
        try await self.observer.observe("BEGIN", as: .begin) { () async throws(DatabaseError) in }
        return sql
    }

    /// Ends the transaction with its work done, or throws with nothing done; unless the connection was lost just then.
    func commit() async throws(DatabaseError) {
        _ = try await self.begin()
        try self.requireRunning()
        self.isOver.store(true, ordering: .relaxed)
        try await self.observer.observe("COMMIT", as: .commit) { () async throws(DatabaseError) in
            try await self.access { () async throws(DatabaseError) in
                // Of a transaction that has failed, the server makes a rollback, and calls that a success.
                if try await self.connection.commit().tag != "COMMIT" { throw self.ended }
            }
        }
    }

    /// Ends the transaction with nothing done.
    func rollback() async {
        guard !self.isOver.exchange(true, ordering: .relaxed) else { return }
        guard self.connection.isConnected, self.connection.transactionStatus != PQTRANS_IDLE else { return }
        do {
            try await self.observer.observe("ROLLBACK", as: .rollback) { () async throws(DatabaseError) in
                _ = try await self.connection.command("ROLLBACK", limit: .seconds(5), isCancellable: false)
            }
        } catch {
            // The server undoes it when the connection is gone.
            self.connection.close()
        }
    }

    func abandon() {
        self.isOver.store(true, ordering: .relaxed)
        self.connection.close()
    }

    // MARK: - Statements

    func execute(_ statement: Statement) async throws(DatabaseError) -> Int {
        try await self.step(statement) { begin async throws(DatabaseError) in
            try await self.connection.run(statement, after: begin, limit: self.limit).changedRowCount
        }
    }

    func query(_ statement: Statement) async throws(DatabaseError) -> [Row] {
        try await self.step(statement) { begin async throws(DatabaseError) in
            try await self.connection.query(statement, after: begin, limit: self.limit)
        }
    }

    func executeAll(_ statements: [Statement]) async throws(DatabaseError) -> [Int] {
        if statements.contains(where: { SQLOperation.controlsTransaction($0.sql) }) {
            throw .transactionControl(database: self.connection.name)
        }
        return try await self.step(statements.first?.sql ?? "", count: statements.count) {
            () async throws(DatabaseError) in
            try await self.connection.runAll(statements, limit: self.limit).map(\.changedRowCount)
        }
    }

    func copy(
        into table: String, columns: [String], rows: some Sequence<[SQLValue]> & Sendable
    ) async throws(DatabaseError) -> Int {
        try await self.step("COPY \(table.quotedAsIdentifier)", as: .copy) { () async throws(DatabaseError) in
            try await self.connection.copy(into: table, columns: columns, rows: rows, limit: self.limit)
        }
    }

    func stream<Result>(
        _ statement: Statement, _ body: (inout RowStream) async throws -> Result
    ) async throws -> Result {
        let name = "medcursor\(self.nextName)"
        _ = try await self.execute(
            Statement(prefix: "DECLARE \(name) NO SCROLL CURSOR FOR ", statement))
        let size = BatchSize(bytes: Self.batchBytes)
        var rows = RowStream {
            try await self.step(statement.sql) { () async throws(DatabaseError) in
                let result = try await self.connection.fetch(size.rows, from: name, limit: self.limit)
                size.saw(result)
                return try result.rows(database: self.connection.name)
            }
        }
        let close = { () async throws(DatabaseError) in
            _ = try await self.step("CLOSE", as: .other) { () async throws(DatabaseError) in
                try await self.connection.command("CLOSE \(name)", isCancellable: false)
            }
        }
        do {
            let result = try await body(&rows)
            try await close()
            return result
        } catch {
            // The transaction may go on, and the cursor would stay open in it. Where it has failed, there is none any more.
            if self.connection.transactionStatus == PQTRANS_INTRANS { try? await close() }
            throw error
        }
    }

    func savepoint<Result>(_ body: () async throws -> Result) async throws -> Result {
        let name = "medsavepoint\(self.nextName)"
        _ = try await self.step("SAVEPOINT", as: .other) { () async throws(DatabaseError) in
            try await self.connection.command("SAVEPOINT \(name)")
        }
        do {
            let result = try await body()
            try Task.checkCancellation()
            _ = try await self.step("RELEASE", as: .other) { () async throws(DatabaseError) in
                try await self.connection.command("RELEASE \(name)")
            }
            return result
        } catch {
            do {
                // Not cancellable: the transaction is to go on from here.
                try await self.connection.command(
                    "ROLLBACK TO \(name); RELEASE \(name)", limit: .seconds(5), isCancellable: false)
            } catch {
                // What was to be undone is still there, and must not be committed.
                self.abandon()
            }
            throw error
        }
    }

    func notify(_ channel: String, payload: String) async throws(DatabaseError) {
        _ = try await self.query("SELECT pg_notify(\(channel), \(payload))")
    }

    private var nextName: Int { self.names.add(1, ordering: .relaxed).newValue }

    private var limit: Duration? { self.options.statementTimeout.map { $0 + PostgresLimits.leeway } }

    // MARK: - Guards

    /// A statement that the transaction may begin with: `body` gets what is to be sent before it.
    private func step<Value>(
        _ statement: Statement, _ body: (_ begin: String?) async throws(DatabaseError) -> Value
    ) async throws(DatabaseError) -> Value {
        if SQLOperation.controlsTransaction(statement.sql) {
            throw .transactionControl(database: self.connection.name)
        }
        let begin = self.isOver.load(ordering: .relaxed) ? nil : try await self.begin(before: statement)
        if begin == nil { try self.requireRunning() }
        let value: Value
        do throws(DatabaseError) {
            value = try await self.observer.observe(statement.sql) { () async throws(DatabaseError) in
                try await self.access { () async throws(DatabaseError) in try await body(begin) }
            }
        } catch {
            // A value that cannot be sent: the transaction has yet to begin.
            if let begin, self.connection.isUsable { self.pendingBegin.withLock { $0 = begin } }
            throw error
        }
        try self.requireRunning()
        return value
    }

    private func step<Value>(
        _ sql: String, as operation: SQLOperation? = nil, count: Int = 1,
        _ body: () async throws(DatabaseError) -> Value
    ) async throws(DatabaseError) -> Value {
        if !self.isOver.load(ordering: .relaxed) { _ = try await self.begin() }
        try self.requireRunning()
        let value = try await self.observer.observe(sql, as: operation, count: count) {
            () async throws(DatabaseError) in try await self.access(body)
        }
        try self.requireRunning()
        return value
    }

    /// A statement may have ended the transaction; what comes then would run outside of any.
    private func requireRunning() throws(DatabaseError) {
        if self.isOver.load(ordering: .relaxed) || self.connection.transactionStatus == PQTRANS_IDLE {
            throw self.ended
        }
    }

    private func access<Value>(
        _ body: () async throws(DatabaseError) -> Value
    ) async throws(DatabaseError) -> Value {
        do {
            return try await body()
        } catch {
            // What was asked for says nothing about the server.
            if !(self.options.isReadOnly && error.code == .readOnly) { self.failed(error) }
            throw error
        }
    }

    private var ended: DatabaseError {
        DatabaseError(
            code: .transactionEnded,
            description:
                "The transaction on database '\(self.connection.name)' is over: its closure has returned, an earlier error undid it, "
                + "or a statement ended it."
        )
    }
}

/// How many rows to fetch at a time, so that they have about a size whatever their width.
private final class BatchSize: Sendable {
    private let bytes: Int
    private let next = Atomic(32)

    init(bytes: Int) { self.bytes = bytes }

    var rows: Int { self.next.load(ordering: .relaxed) }

    func saw(_ result: ServerResult) {
        let count = result.rowCount
        guard count > 0 else { return }
        let width = max(1, PQresultMemorySize(result.pointer) / count)
        self.next.store(min(max(1, self.bytes / width), 4096), ordering: .relaxed)
    }
}
