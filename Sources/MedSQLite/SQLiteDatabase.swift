// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import GRDB
public import Logging
public import MedStorage
import Synchronization

/// A database in one file: what development uses, and small installations.
///
/// Many readers and one writer at a time (WAL); a committed transaction survives a power cut (`synchronous=FULL`). A file that
/// is not a database of ours is refused and left byte for byte as it was.
///
/// ```swift
/// let database = SQLiteDatabase(path: "medbuilder.sqlite", createParentFolders: false, migrations: .medBuilder, logger: logger)
/// try await database.open()
/// ```
///
/// A file can be open once in a process.
public final class SQLiteDatabase: MedStorage.Database {
    struct Connections {
        let pool: DatabasePool
        /// The health check's own.
        let health: DatabaseQueue
        let claim: FileClaim
    }

    struct State {
        var connections: Connections?
        /// Whether the schema was found or made right.
        var isReady = false
        /// What stopped the start last time.
        var startProblem: MedStorage.DatabaseError?
        /// What an access ran into, until a write works again; counted, so that a probe does not clear a failure later than itself.
        var problem: MedStorage.DatabaseError?
        var problemCount = 0
        var check: Task<DatabaseCheck, Never>?
    }

    /// Opening is the one moment at which a file is looked at from outside SQLite (see ``FileClaim``), so it happens one at a time.
    private static let opening = Mutex(())

    let path: String
    let migrations: MigrationPlan
    let logger: Logger
    let writers = WriterQueue()
    let state = Mutex(State())
    private let hub = NotificationHub()
    private let polling = Mutex<Task<Void, Never>?>(nil)
    private let pollInterval: Duration
    private let observer: (any DatabaseObserver)?
    let healthPatience = Patience(limit: .milliseconds(250))
    /// Where opening and closing block.
    private let queue = DispatchQueue(label: "MedSQLite")
    private let createParentFolders: Bool
    private let busyTimeout: Duration
    private let startTimeout: Duration
    private let patience: Patience

    /// Describes the database; nothing is touched before ``open()``.
    ///
    /// - Parameters:
    ///   - path: The file; relative to the working directory of now.
    ///   - createParentFolders: Whether missing folders are made (mode 0700) rather than refused.
    ///   - migrations: The schema that the file should have.
    ///   - busyTimeout: How long a transaction waits for a lock that another process holds.
    ///   - startTimeout: How long ``open()`` and ``migrate()`` wait for one; short, since they are tried again.
    ///   - pollInterval: How often those who listen for notifications are told that another process may have written.
    ///   - observer: Hears of the statements.
    ///   - logger: Hears when a file is created, when accesses begin to fail and when writes work again.
    public init(
        path: String,
        createParentFolders: Bool,
        migrations: MigrationPlan,
        busyTimeout: Duration = .seconds(5),
        startTimeout: Duration = .seconds(1),
        pollInterval: Duration = .seconds(5),
        observer: (any DatabaseObserver)? = nil,
        logger: Logger
    ) {
        // Absolute, so that no later change of directory moves it and no name means anything special to SQLite.
        let relative = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
        self.path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + relative
        self.createParentFolders = createParentFolders
        self.migrations = migrations
        self.busyTimeout = busyTimeout
        self.startTimeout = startTimeout
        self.patience = Patience(limit: startTimeout)
        self.pollInterval = pollInterval
        self.observer = observer
        self.logger = logger
    }

    // MARK: - Start

    public func open() async throws(MedStorage.DatabaseError) {
        try await self.starting { () async throws(MedStorage.DatabaseError) in
            let result = await withCheckedContinuation { continuation in
                self.queue.async {
                    continuation.resume(
                        returning: Result { try self.connect() }.mapError { DatabaseError($0, path: self.path) }
                    )
                }
            }
            try result.get()
        }
    }

    public var name: String { self.path }

    public var dialect: SQLDialect { .sqlite }

    public func migrationStatus() async throws(MedStorage.DatabaseError) -> MigrationStatus {
        try await self.connections().health.access(path: self.path) { [migrations, path] db in
            try Schema.status(migrations, db, path: path)
        }
    }

    @discardableResult
    public func migrate(to version: Int?) async throws(MedStorage.DatabaseError) -> MigrationReport {
        let report = try await self.starting { () async throws(MedStorage.DatabaseError) in
            let connections = try self.connections()
            do {
                try await self.writers.acquire()
            } catch {
                throw DatabaseError(
                    code: .cancelled, description: "The migration of database '\(self.path)' was cancelled.")
            }
            defer { self.writers.release() }
            self.patience.begin(limit: self.startTimeout)
            return try await connections.pool.access(path: self.path) { [migrations, path, patience] db in
                try Schema.migrate(migrations, to: version, db, path: path, patience: patience)
            }
        }
        if report.version >= self.migrations.version { self.becomeReady() }
        return report
    }

    public func verifySchema() async throws(MedStorage.DatabaseError) {
        try await self.starting { () async throws(MedStorage.DatabaseError) in
            try await self.connections().health.access(path: self.path) { [migrations, path] db in
                try Schema.verify(migrations, db, path: path)
            }
        }
        self.becomeReady()
    }

    /// Remembers for the health check what a step of the start ran into.
    private func starting<Value>(
        _ step: () async throws(MedStorage.DatabaseError) -> Value
    ) async throws(MedStorage.DatabaseError) -> Value {
        do {
            return try await step()
        } catch {
            self.state.withLock { $0.startProblem = error }
            throw error
        }
    }

    private func becomeReady() {
        self.state.withLock { state in
            state.startProblem = nil
            state.isReady = true
        }
    }

    /// Runs on the queue.
    private func connect() throws {
        let start = ContinuousClock.now
        while true {
            do {
                return try Self.opening.withLock { _ in try self.connectOnce() }
            } catch let error as GRDB.DatabaseError
                where error.resultCode == .SQLITE_BUSY && ContinuousClock.now - start < self.startTimeout
                && !self.patience.isStopped
            {
                // Two processes that switch a new file to WAL could wait for each other, so SQLite refuses one without asking for patience.
                Thread.sleep(forTimeInterval: 0.01)
            }
        }
    }

    private func connectOnce() throws {
        if self.state.withLock({ $0.connections != nil }) { return }
        self.patience.begin(limit: self.startTimeout)
        let file = DatabaseFile(
            path: self.path, createsParentFolders: self.createParentFolders, patience: self.patience)
        let isNew = try file.prepare()

        guard let identity = FileIdentity(path: self.path), let claim = FileClaim(identity) else {
            throw DatabaseError(
                code: .replaced, description: "Database '\(self.path)' was replaced while it was being opened.")
        }
        let pool = try DatabasePool(path: self.path, configuration: self.configuration)
        // GRDB sets NORMAL when it switches to WAL; then the last commits before a power cut can be lost.
        try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            guard try DatabaseFile.hasMigrationsTable(db) else {
                throw DatabaseError(
                    code: .foreignFile,
                    description:
                        "Database '\(self.path)' has no table \(MigrationPlan.tableName). Restore it from a backup."
                )
            }
        }
        let connections = Connections(pool: pool, health: try self.openHealthConnection(), claim: claim)
        self.state.withLock { state in
            state.connections = connections
            state.startProblem = nil
        }
        if isNew { self.logger.notice("Database created", metadata: ["database.path": "\(self.path)"]) }
    }

    private var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "MedSQLite"
        // Our transactions span accesses; the readers of the pool are exempt.
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .callback { [patience] in patience.isWorthAnother(attempt: $0) }
        configuration.prepareDatabase { [startTimeout] db in
            // Only an exclusive lock stops a reader. GRDB would let it wait ten seconds.
            if db.configuration.readonly {
                try db.execute(sql: "PRAGMA busy_timeout = \(Int(startTimeout / .milliseconds(1)))")
            }
        }
        return configuration
    }

    // MARK: - Work

    /// As the protocol says. It is always serializable, and knows no time limit for a statement.
    @discardableResult
    public func transaction<Value>(
        _ options: TransactionOptions, _ body: (any Transaction) async throws -> Value
    ) async throws -> Value {
        try await options.run { try await self.attempt(options, body) }
    }

    private func attempt<Value>(
        _ options: TransactionOptions, _ body: (any Transaction) async throws -> Value
    ) async throws -> Value {
        let connections = try self.connections()
        try await self.writers.acquire()
        let turn = WriterQueue.Turn(of: self.writers)
        defer { turn.end() }

        let transaction = SQLiteTransaction(
            path: self.path,
            writer: connections.pool,
            identity: connections.claim.identity,
            turn: turn,
            isReadOnly: options.isReadOnly,
            observer: self.observer
        ) { self.note($0, write: true) }
        try await self.begin(transaction)
        let value: Value
        do {
            try Task.checkCancellation()
            value = try await body(transaction)
            try Task.checkCancellation()
        } catch {
            await transaction.rollback()
            throw error
        }
        try await transaction.commit()
        for (channel, payload) in transaction.notifications { self.hub.send(.message(payload), on: channel) }
        return value
    }

    /// What transactions of this process send; for those of others, everybody is told to look every few seconds.
    public func notifications(on channel: String) -> AsyncStream<DatabaseNotification> {
        self.polling.withLock { task in
            // Its own task: it belongs to the database, not to the first who listens.
            if task == nil {
                task = Task { [hub, pollInterval] in
                    while (try? await Task.sleep(for: pollInterval)) != nil { hub.send(.gap, on: nil) }
                }
            }
        }
        return self.hub.listen(on: channel)
    }

    private func begin(_ transaction: SQLiteTransaction) async throws {
        self.patience.begin(limit: self.busyTimeout)
        try await withTaskCancellationHandler {
            do {
                try await transaction.begin()
            } catch {
                try Task.checkCancellation()
                throw error
            }
        } onCancel: {
            self.patience.cancel()
        }
    }

    @discardableResult
    public func execute(_ statement: MedStorage.Statement) async throws -> Int {
        try await self.transaction { try await $0.execute(statement) }
    }

    public func query(_ statement: MedStorage.Statement) async throws -> [MedStorage.Row] {
        guard SQLOperation.reads(statement.sql) else { throw DatabaseError.writingQuery(database: self.path) }
        let connections = try self.connections()
        do {
            return try await self.observer.observe(statement.sql) { [path] () async throws(MedStorage.DatabaseError) in
                do {
                    return try await connections.pool.unsafeRead { db in try db.rows(statement, path: path) }
                } catch is CancellationError {
                    throw DatabaseError(code: .cancelled, description: "A query of database '\(path)' was cancelled.")
                } catch {
                    throw DatabaseError(error, path: path)
                }
            }
        } catch {
            if error.code == .cancelled, Task.isCancelled { throw CancellationError() }
            self.note(error, write: false)
            throw error
        }
    }

    public func stream<Value>(
        _ statement: MedStorage.Statement, _ body: (inout RowStream) async throws -> Value
    ) async throws -> Value {
        guard SQLOperation.reads(statement.sql) else { throw DatabaseError.writingQuery(database: self.path) }
        let pool = try self.connections().pool
        // A connection of its own: those of the pool are for what is short.
        let snapshot = try await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: Result { try pool.makeSnapshot() }) }
        }.mapError { DatabaseError($0, path: self.path) }.get()
        let cursor = StatementCursor(statement)
        var rows = RowStream { [path] in
            do throws(MedStorage.DatabaseError) {
                return try await self.observer.observe(statement.sql) { () async throws(MedStorage.DatabaseError) in
                    do {
                        return try await snapshot.read { db in try cursor.next(db, path: path) }
                    } catch is CancellationError {
                        throw DatabaseError(
                            code: .cancelled, description: "A query of database '\(path)' was cancelled.")
                    } catch {
                        throw DatabaseError(error, path: path)
                    }
                }
            } catch {
                if error.code == .cancelled, Task.isCancelled { throw CancellationError() }
                self.note(error, write: false)
                throw error
            }
        }
        let result: Result<Value, any Error>
        do { result = .success(try await body(&rows)) } catch { result = .failure(error) }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                snapshot.read { _ in cursor.close() }
                try? snapshot.close()
                continuation.resume()
            }
        }
        return try result.get()
    }

    func connections() throws(MedStorage.DatabaseError) -> Connections {
        guard let connections = self.state.withLock({ $0.connections }) else { throw .closed(path: self.path) }
        return connections
    }

    // MARK: - End

    public func interrupt() {
        self.patience.stop()
        guard let pool = self.state.withLock({ $0.connections?.pool }) else { return }
        // Elsewhere, because the pool may be just opening a reader and makes others wait for that.
        DispatchQueue.global().async { pool.interrupt() }
    }

    public func close() async {
        self.patience.stop()
        self.polling.withLock { task in
            task?.cancel()
            task = nil
        }
        self.hub.end()
        let isDone = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let group = DispatchGroup()
                // Behind an `open()` that may be running, so that nothing is connected afterwards.
                self.queue.async(group: group) { self.disconnect() }
                continuation.resume(returning: group.wait(timeout: .now() + .seconds(2)) == .success)
            }
        }
        if !isDone {
            self.logger.warning("Database did not close in time", metadata: ["database.path": "\(self.path)"])
        }
        self.patience.resume()
    }

    /// Runs on the queue.
    private func disconnect() {
        let connections = self.state.withLock { state in
            defer { state = State() }
            return state.connections
        }
        guard let connections else { return }
        do {
            try connections.pool.close()
            try connections.health.close()
        } catch {
            self.logger.warning(
                "Database did not close cleanly",
                metadata: ["error.message": "\(DatabaseError(error, path: self.path))"]
            )
        }
        connections.claim.release()
    }
}
