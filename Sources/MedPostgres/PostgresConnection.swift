// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import MedStorage
import Synchronization

/// One session of a server: statements, one after the other.
final class PostgresConnection: PooledConnection {
    /// What is needed to make connections.
    struct Origin: Sendable {
        let connector: Connector
        let reactor: Reactor
        /// Where cancellations block. Others than the connector's: whoever cannot connect can still cancel.
        let cancelling: BoundedThreads
        let limits: PostgresLimits

        var name: String { self.connector.location.name }
    }

    /// How many statements one session keeps prepared.
    static let preparedLimit = 256
    /// How many statements travel before an answer is waited for: enough to hide the way, few enough for both ends' memory.
    private static let pipelineLength = 1000

    let name: String
    /// Whether a pooler such as pgbouncer is between us and the server: sessions are not ours there.
    let isPooled: Bool
    private let wire: Wire
    /// How long we wait for a statement: longer than the server, whose limit may be an administrator's.
    private let statementLimit: Duration
    private let prepared = Mutex(PreparedStatements(limit: preparedLimit))

    private init(wire: Wire, name: String, statementLimit: Duration, isPooled: Bool) {
        self.wire = wire
        self.name = name
        self.statementLimit = statementLimit
        self.isPooled = isPooled
    }

    /// Connects, and sets the session up.
    static func open(
        _ origin: Origin,
        onNotification: (@Sendable (_ channel: String, _ payload: String) -> Void)? = nil,
        onLoss: (@Sendable () -> Void)? = nil
    ) async throws(DatabaseError) -> PostgresConnection {
        let limits = origin.limits
        let established = try await origin.connector.connect(limit: limits.connect)
        guard
            let wire = Wire(
                established, name: origin.name, reactor: origin.reactor, threads: origin.cancelling,
                onNotification: onNotification, onLoss: onLoss)
        else {
            throw DatabaseError(
                code: .closed, description: "The connection to database '\(origin.name)' is closed.")
        }
        do throws(DatabaseError) {
            let process = wire.inspect { PQbackendPID($0) } ?? 0
            let settings = limits.settings.map { "('\($0.name)', '\($0.value)')" }.joined(separator: ", ")
            // A pooler invents the number that it gives its clients; and what it is told about the session would stay with a stranger.
            let sql = """
                SELECT pg_backend_pid() = \(process), CASE WHEN pg_backend_pid() = \(process) THEN (
                    SELECT count(set_config(wanted.name, wanted.value, false))
                    FROM (VALUES \(settings)) AS wanted (name, value) JOIN pg_settings AS present USING (name)
                    WHERE present.source = 'default'
                ) END, (
                    SELECT setting::bigint FROM pg_settings
                    WHERE name = 'statement_timeout' AND source NOT IN ('default', 'session')
                )
                """
            let results = try await wire.exchange(.ready, limit: limits.connect) { connection in
                PQsendQueryParams(connection, sql, 0, nil, nil, nil, nil, 1) == 1
            }
            let result = try Self.single(results, database: origin.name)
            let isDirect = result.bytes(row: 0, column: 0)?.first == 1
            let set = result.bytes(row: 0, column: 2).flatMap { ValueDecoder.value($0, type: PostgresType.int8) }
            return PostgresConnection(
                wire: wire, name: origin.name, statementLimit: limits.clientLimit(serverSet: set), isPooled: !isDirect)
        } catch {
            wire.close()
            throw error
        }
    }

    // MARK: - As one of a pool

    /// Whether it can be given to somebody: it is there, nothing is under way, and no transaction was left open.
    var isUsable: Bool { self.isConnected && self.transactionStatus == PQTRANS_IDLE }

    /// Whether it is there and nothing is under way.
    var isConnected: Bool { self.wire.isUsable }

    /// Whoever asks for it may be cancelled meanwhile: that says nothing about the connection.
    func ping() async throws(DatabaseError) { try await self.command("", limit: .seconds(1), isCancellable: false) }

    func close() { self.wire.close() }

    // MARK: - Statements

    /// Where the session is in a transaction.
    var transactionStatus: PGTransactionStatusType { self.wire.inspect { PQtransactionStatus($0) } ?? PQTRANS_UNKNOWN }

    /// Runs SQL of our own without parameters; several statements, with semicolons between them, are one.
    @discardableResult
    func command(
        _ sql: String, limit: Duration? = nil, isCancellable: Bool = true
    ) async throws(DatabaseError) -> ServerResult {
        let results = try await self.wire.exchange(
            .ready, limit: limit ?? self.statementLimit, isCancellable: isCancellable
        ) { PQsendQuery($0, sql) == 1 }
        return try Self.single(results, database: self.name, sql: sql)
    }

    /// Ends the transaction. That it was lost on the way leaves open whether it is done.
    func commit() async throws(DatabaseError) -> ServerResult {
        guard self.isConnected else {
            throw DatabaseError(
                code: .notReachable,
                description:
                    "The connection to database '\(self.name)' was lost before a COMMIT. Nothing of the transaction is there."
            )
        }
        do throws(DatabaseError) {
            return try await self.command("COMMIT", isCancellable: false)
        } catch {
            // Closed by us counts too: it was connected before, so the statement may have been sent.
            // Where the connection is still there, the server has answered, and what it refused is not done.
            guard [.notReachable, .timeout, .closed].contains(error.code), !self.isConnected else { throw error }
            throw .unknownOutcome(of: "a COMMIT", database: self.name, sqlState: error.sqlState)
        }
    }

    /// The next rows of a cursor.
    func fetch(
        _ count: Int, from cursor: String, limit: Duration? = nil
    ) async throws(DatabaseError) -> ServerResult {
        let sql = "FETCH FORWARD \(count) FROM \(cursor)"
        let results = try await self.wire.exchange(.ready, limit: limit ?? self.statementLimit) {
            PQsendQueryParams($0, sql, 0, nil, nil, nil, nil, 1) == 1
        }
        return try Self.single(results, database: self.name)
    }

    /// Whether a statement needs no message of its own to be prepared.
    func isPrepared(_ statement: Statement) -> Bool {
        self.known(statement.sql) != nil
    }

    /// What the server knows of a statement, if it is prepared.
    private func known(_ sql: String) -> PreparedStatements.Prepared? {
        self.isPooled ? nil : self.prepared.withLock { $0.find(sql) }
    }

    /// Runs a statement.
    ///
    /// - Parameters:
    ///   - begin: what begins the transaction, if it has not begun: it travels with the statement, if that is prepared.
    ///   - limit: how long the server may be silent.
    ///   - isAlone: whether it is in no transaction, and so commits what it does.
    func run(
        _ statement: Statement, after begin: String? = nil, limit: Duration? = nil, isAlone: Bool = false
    ) async throws(DatabaseError) -> ServerResult {
        let known = self.known(statement.sql)
        do throws(DatabaseError) {
            return try await self.runOnce(statement, as: known, after: begin, limit: limit, isAlone: isAlone)
        } catch {
            guard Self.mayBeOutdated(error), try await self.forget(statement.sql, after: error) else { throw error }
            // What is prepared only now cannot be outdated, and a function has begun its work: the error would come again, and so would what
            // outlives a rollback.
            guard known != nil, !error.isFromFunction else { throw error }
            // In a transaction it is too late: that has failed. Unless nothing was sent.
            guard self.transactionStatus == PQTRANS_IDLE || error.sqlState == nil else { throw error }
            return try await self.runOnce(statement, as: nil, after: begin, limit: limit, isAlone: isAlone)
        }
    }

    /// Whether an error can come from a statement that was prepared for another schema, or that the server has forgotten. One without a code
    /// of the server is a value that does not fit the type that its parameter had.
    private static func mayBeOutdated(_ error: DatabaseError) -> Bool {
        guard let state = error.sqlState else { return error.code == .unexpectedValue }
        return state == SQLState.featureNotSupported || state == SQLState.invalidStatementName || state.hasPrefix("42")
    }

    /// Has the statement prepared anew the next time; false if it is not prepared.
    private func forget(_ sql: String, after error: DatabaseError) async throws(DatabaseError) -> Bool {
        guard let outdated = self.prepared.withLock({ $0.remove(sql) }) else { return false }
        // The server has forgotten it, or is in a transaction that has failed and takes no command: then the name is lost, not more.
        guard error.sqlState != SQLState.invalidStatementName, self.transactionStatus != PQTRANS_INERROR else {
            return true
        }
        try await self.command("DEALLOCATE \(outdated.name)")
        return true
    }

    /// Runs a statement and gives its rows.
    func query(
        _ statement: Statement, after begin: String? = nil, limit: Duration? = nil
    ) async throws(DatabaseError) -> [Row] {
        let result = try await self.run(statement, after: begin, limit: limit)
        let known = self.prepared.withLock { $0.last }
        let columns = known?.sql == statement.sql ? known?.prepared.columns : nil
        return try result.rows(database: self.name, columns: columns?.count == result.columnCount ? columns : nil)
    }

    private func runOnce(
        _ statement: Statement, as known: PreparedStatements.Prepared?, after begin: String?, limit: Duration?,
        isAlone: Bool
    ) async throws(DatabaseError) -> ServerResult {
        let limit = limit ?? self.statementLimit
        if self.isPooled {
            let parameters = try ParameterEncoder(statement.parameters, types: nil, database: self.name)
            let results = try await self.wire.exchange(.ready, limit: limit) { connection in
                parameters.withPointers { count, values, lengths, formats in
                    PQsendQueryParams(connection, statement.sql, count, nil, values, lengths, formats, 1) == 1
                }
            }
            return try Self.single(results, database: self.name, sql: statement.sql)
        }
        let prepared = if let known { known } else { try await self.prepare(statement.sql, limit: limit) }
        let parameters = try ParameterEncoder(
            statement.parameters, types: prepared.parameterTypes, database: self.name)
        let send = { (connection: OpaquePointer) in
            parameters.withPointers { count, values, lengths, formats in
                PQsendQueryPrepared(connection, prepared.name, count, values, lengths, formats, 1) == 1
            }
        }
        let results: [ServerResult]
        if let begin {
            results = try await self.pipeline(limit: limit, sql: statement.sql) { connection in
                PQsendQueryParams(connection, begin, 0, nil, nil, nil, nil, 1) == 1 && send(connection)
            }
            guard results.count == 2 else { throw self.broken() }
        } else if isAlone {
            results = try await self.exchangeAlone(limit: limit, send)
        } else {
            results = try await self.wire.exchange(.ready, limit: limit, send: send)
        }
        return try Self.single(results, database: self.name, sql: statement.sql)
    }

    /// Sends what commits itself: whether it was done is open where the connection was lost and the server has not said why.
    private func exchangeAlone(
        limit: Duration, _ send: (OpaquePointer) -> Bool
    ) async throws(DatabaseError) -> [ServerResult] {
        var isSent = false
        do throws(DatabaseError) {
            return try await self.wire.exchange(.committed, limit: limit) { connection in
                isSent = send(connection)
                return isSent
            }
        } catch {
            guard isSent, error.sqlState == nil, !self.isConnected else { throw error }
            throw .unknownOutcome(of: "a statement that commits itself", database: self.name)
        }
    }

    /// The statement under a name of the session, with what the server says of it.
    private func prepare(_ sql: String, limit: Duration) async throws(DatabaseError) -> PreparedStatements.Prepared {
        if let known = self.prepared.withLock({ $0.find(sql) }) { return known }
        let name = self.prepared.withLock { $0.nextName() }
        let results = try await self.pipeline(limit: limit, sql: sql) { connection in
            PQsendPrepare(connection, name, sql, 0, nil) == 1 && PQsendDescribePrepared(connection, name) == 1
        }
        guard results.count == 2, let description = results.last else { throw self.broken() }
        let made = PreparedStatements.Prepared(
            name: name,
            parameterTypes: (0..<PQnparams(description.pointer)).map { PQparamtype(description.pointer, $0) },
            columns: description.columnNames,
            columnTypes: (0..<description.columnCount).map(description.columnType)
        )
        if let victim = self.prepared.withLock({ $0.insert(made, for: sql) }) {
            try await self.command("DEALLOCATE \(victim.name)")
        }
        return made
    }

    /// Runs statements without waiting for the answer of one before the next is sent, and gives their results up to the first error.
    func runAll(_ statements: [Statement], limit: Duration? = nil) async throws(DatabaseError) -> [ServerResult] {
        do throws(DatabaseError) {
            return try await self.runAllOnce(statements, limit: limit ?? self.statementLimit)
        } catch {
            guard Self.mayBeOutdated(error) else { throw error }
            for sql in Set(statements.map(\.sql)) { _ = try await self.forget(sql, after: error) }
            throw error
        }
    }

    private func runAllOnce(
        _ statements: [Statement], limit: Duration
    ) async throws(DatabaseError) -> [ServerResult] {
        var all: [ServerResult] = []
        all.reserveCapacity(statements.count)
        var rest = statements[...]
        while !rest.isEmpty {
            let chunk = Self.chunk(of: rest)
            rest = rest.dropFirst(chunk.count)
            var messages: [(name: String?, sql: String, parameters: ParameterEncoder)] = []
            messages.reserveCapacity(chunk.count)
            var last: (sql: String, prepared: PreparedStatements.Prepared)?
            for statement in chunk {
                if self.isPooled {
                    let parameters = try ParameterEncoder(statement.parameters, types: nil, database: self.name)
                    messages.append((nil, statement.sql, parameters))
                    continue
                }
                let prepared =
                    if let last, last.sql == statement.sql { last.prepared } else {
                        try await self.prepare(statement.sql, limit: limit)
                    }
                last = (statement.sql, prepared)
                let parameters = try ParameterEncoder(
                    statement.parameters, types: prepared.parameterTypes, database: self.name)
                messages.append((prepared.name, statement.sql, parameters))
            }
            let results = try await self.pipeline(limit: limit) { connection in
                messages.allSatisfy { message in
                    message.parameters.withPointers { count, values, lengths, formats in
                        if let name = message.name {
                            PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) == 1
                        } else {
                            PQsendQueryParams(connection, message.sql, count, nil, values, lengths, formats, 1) == 1
                        }
                    }
                }
            }
            guard results.count == messages.count else { throw self.broken() }
            all += results
        }
        return all
    }

    /// As many statements as travel together. No more different ones than half of what is kept prepared: one more could take the place of
    /// one that is on its way.
    private static func chunk(of statements: ArraySlice<Statement>) -> ArraySlice<Statement> {
        let longest = statements.prefix(Self.pipelineLength)
        guard longest.count > Self.preparedLimit / 2 else { return longest }
        var texts: Set<String> = []
        var last: String?
        let end = longest.firstIndex { statement in
            // Most batches are one statement again and again.
            if statement.sql == last { return false }
            last = statement.sql
            texts.insert(statement.sql)
            return texts.count > Self.preparedLimit / 2
        }
        return longest[..<(end ?? longest.endIndex)]
    }

    /// Sends several messages and one Sync, and gives their results.
    ///
    /// - Parameter sql: the statement, where it is one.
    private func pipeline(
        limit: Duration, sql: String? = nil, send: (OpaquePointer) -> Bool
    ) async throws(DatabaseError) -> [ServerResult] {
        let outcome: Result<[ServerResult], DatabaseError>
        do throws(DatabaseError) {
            let results = try await self.wire.exchange(.pipeline, limit: limit) { connection in
                PQenterPipelineMode(connection) == 1 && send(connection) && PQpipelineSync(connection) == 1
            }
            if let error = results.first(where: \.isError) {
                outcome = .failure(DatabaseError(error, database: self.name, sql: sql))
            } else {
                outcome = .success(results)
            }
        } catch {
            outcome = .failure(error)
        }
        // What cannot leave the mode, because answers are still to come, is of no more use.
        if self.wire.inspect({ PQexitPipelineMode($0) == 1 }) == false { self.close() }
        return try outcome.get()
    }

    // MARK: - COPY

    /// Sends rows to a table (PostgreSQL, COPY, "Text Format").
    func copy(
        into table: String, columns: [String], rows: some Sequence<[SQLValue]> & Sendable, limit: Duration? = nil
    ) async throws(DatabaseError) -> Int {
        let limit = limit ?? self.statementLimit
        let names = columns.map(\.quotedAsIdentifier).joined(separator: ", ")
        let sql = "COPY \(table.quotedAsIdentifier) (\(names)) FROM STDIN"
        let begun = try await self.wire.exchange(.copy, limit: limit) { PQsendQuery($0, sql) == 1 }
        guard try Self.single(begun, database: self.name).status == PGRES_COPY_IN else { throw self.broken() }
        do throws(DatabaseError) {
            var buffer = CopyText()
            for row in rows {
                guard row.count == columns.count else {
                    throw DatabaseError(
                        code: .unexpectedValue,
                        description: "A row for table '\(table)' has \(row.count) values for \(columns.count) columns.")
                }
                try buffer.append(row, database: self.name)
                if buffer.isFull {
                    try await self.send(buffer.bytes, limit: limit)
                    buffer.removeAll()
                }
            }
            try await self.send(buffer.bytes, limit: limit)
        } catch {
            // The server answers this with an error of its own.
            _ = try? await self.wire.exchange(.ready, limit: limit, isCancellable: false) {
                PQputCopyEnd($0, "the client gave up") == 1
            }
            throw error
        }
        let ended = try await self.wire.exchange(.ready, limit: limit) { PQputCopyEnd($0, nil) == 1 }
        return try Self.single(ended, database: self.name).changedRowCount
    }

    private func send(_ bytes: [UInt8], limit: Duration) async throws(DatabaseError) {
        if Task.isCancelled {
            throw DatabaseError(code: .cancelled, description: "A COPY into database '\(self.name)' was cancelled.")
        }
        guard !bytes.isEmpty else { return }
        // If the server is quick there is nothing to wait for, and whoever shares the thread would have no turn before the last piece.
        await Task.yield()
        // Of the piece before: it left while this one was made.
        _ = try await self.wire.exchange(.flushed, limit: limit, isCancellable: false) { _ in true }
        try self.wire.push { connection in
            bytes.withUnsafeBytes { buffer in
                PQputCopyData(connection, buffer.bindMemory(to: CChar.self).baseAddress, Int32(buffer.count)) == 1
            }
        }
    }

    // MARK: - Results

    /// The last result, if none of them is an error.
    private static func single(
        _ results: [ServerResult], database: String, sql: String? = nil
    ) throws(DatabaseError) -> ServerResult {
        if let error = results.first(where: \.isError) { throw DatabaseError(error, database: database, sql: sql) }
        guard let last = results.last else {
            throw DatabaseError(code: .other, description: "Database '\(database)' gave no answer to a statement.")
        }
        return last
    }

    private func broken() -> DatabaseError {
        self.close()
        return DatabaseError(
            code: .other, description: "Database '\(self.name)' gave answers that do not belong to what was asked.")
    }
}

extension ServerResult {
    /// The rows as our values.
    ///
    /// - Parameter columns: their names, if they are known.
    /// - Throws: `.unexpectedValue`, naming the column, for a type that we do not know.
    func rows(database: String, columns: [String]? = nil) throws(DatabaseError) -> [Row] {
        let (rowCount, columnCount) = (self.rowCount, self.columnCount)
        guard rowCount > 0 else { return [] }
        let names = columns ?? self.columnNames
        let types = (0..<columnCount).map(self.columnType)
        var rows: [Row] = []
        rows.reserveCapacity(rowCount)
        for row in 0..<rowCount {
            var values: [SQLValue] = []
            values.reserveCapacity(columnCount)
            for column in 0..<columnCount {
                guard let bytes = self.bytes(row: row, column: column) else {
                    values.append(.null)
                    continue
                }
                guard let value = ValueDecoder.value(bytes, type: types[column]) else {
                    throw DatabaseError(
                        code: .unexpectedValue,
                        description:
                            "Column '\(names[column])' of database '\(database)' has a type, number \(types[column]), that is not read "
                            + "here; cast it, for example by ::text.")
                }
                values.append(value)
            }
            rows.append(Row(columns: names, values: values))
        }
        return rows
    }
}
