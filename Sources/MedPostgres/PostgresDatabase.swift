// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
public import Logging
public import MedStorage
import Synchronization

/// A database on a PostgreSQL server, through a pool of connections.
///
/// It speaks through libpq, so every parameter of libpq goes: several hosts, TLS, SCRAM, service files. Through a pooler in transaction
/// mode it prepares nothing and sets nothing up in the session; what needs a session of its own takes the direct URL.
///
/// ```swift
/// let database = PostgresDatabase(location: location, migrations: .medBuilder, logger: logger)
/// try await database.open()
/// ```
public final class PostgresDatabase: Database {
    typealias Pool = ConnectionPool<PostgresConnection>

    /// What exists between `open` and `close`. It is made anew when nothing less brings a dead pool back.
    final class Driver: Sendable {
        let reactor: Reactor
        let pool: Pool
        let origin: PostgresConnection.Origin

        init(reactor: Reactor, pool: Pool, origin: PostgresConnection.Origin) {
            self.reactor = reactor
            self.pool = pool
            self.origin = origin
        }
    }

    struct State {
        var driver: Driver?
        /// The health check's own.
        var health: PostgresConnection?
        /// Whether the schema was found or made right.
        var isReady = false
        /// What stopped the start last time.
        var startProblem: DatabaseError?
        /// What an access ran into, until a write works again; counted, so that a probe does not clear a failure later than itself.
        var problem: DatabaseError?
        var problemCount = 0
        var check: Task<DatabaseCheck, Never>?
        /// How many migrations the health check has found.
        var newAppliedCount: Int?
        /// The same, when the connections of the pool were last made anew because of it.
        var appliedCount: Int?
        var isInterrupted = false
        var rebuild = RebuildLadder()
        var listener: NotificationListener?
    }

    let location: PostgresLocation
    let direct: PostgresLocation?
    let migrations: MigrationPlan
    let configuration: PoolConfiguration
    let limits: PostgresLimits
    let logger: Logger
    let state = Mutex(State())
    private let pollInterval: Duration
    private let observer: (any DatabaseObserver)?
    private let poolObserver: (any PoolObserver)?
    /// Where connecting blocks, and where cancelling does: a server that hangs takes no more threads than these.
    private let connecting = BoundedThreads(limit: 16)
    private let cancelling = BoundedThreads(limit: 8)
    private let executor = PostgresExecutor()

    /// Describes the database; nothing is touched before ``open()``.
    ///
    /// - Parameters:
    ///   - location: The server.
    ///   - direct: The way to the same server past a pooler, for migrations and notifications.
    ///   - migrations: The schema that the database should have.
    ///   - configuration: How many connections there are.
    ///   - limits: The time limits of a session.
    ///   - pollInterval: How often those who listen are told to look where nobody can listen: behind a pooler without a way past it.
    ///   - observer: Hears of the statements.
    ///   - poolObserver: Hears what happens in the pool.
    ///   - logger: Hears when accesses begin to fail, when writes work again, and when connections are made anew.
    public init(
        location: PostgresLocation,
        direct: PostgresLocation? = nil,
        migrations: MigrationPlan,
        configuration: PoolConfiguration = PoolConfiguration(),
        limits: PostgresLimits = PostgresLimits(),
        pollInterval: Duration = .seconds(5),
        observer: (any DatabaseObserver)? = nil,
        poolObserver: (any PoolObserver)? = nil,
        logger: Logger
    ) {
        self.location = location
        self.direct = direct
        self.migrations = migrations
        self.configuration = configuration
        self.limits = limits
        self.pollInterval = pollInterval
        self.observer = observer
        self.poolObserver = poolObserver
        self.logger = logger
    }

    /// Runs tasks on the thread that reads the answers of this database, so that none has to be woken when its answer is there.
    ///
    /// A statement of any other task wakes two threads, the one that reads and one of the task pool; here it wakes one, and under load one
    /// for many statements. In exchange everything that such a task does keeps the answers of all other tasks waiting. So it is for tasks
    /// that do little between their statements, such as one that empties a queue, and never for one that computes, blocks or may trap: a
    /// thread that has stopped is noticed by the health check after 5 s, and until then nobody gets an answer.
    ///
    /// ```swift
    /// Task(executorPreference: database.taskExecutor) {
    ///     for id in ids { try await database.query("SELECT … WHERE id = \(id)") }
    /// }
    /// ```
    ///
    /// Before ``open()`` and after ``close()`` such tasks run on threads of Dispatch's.
    public var taskExecutor: some TaskExecutor { self.executor }

    public var name: String { self.location.name }

    public var dialect: SQLDialect { .postgres }

    /// How the pool is now; nothing before ``open()``.
    public var statistics: PoolStatistics { self.state.withLock { $0.driver }?.pool.statistics ?? PoolStatistics() }

    // MARK: - Start

    public func open() async throws(DatabaseError) {
        try await self.starting { () async throws(DatabaseError) in
            let driver = try self.makeDriver()
            if self.state.withLock({ $0.health?.isConnected == true }) { return }
            let health = try await PostgresConnection.open(driver.origin)
            self.state.withLock { state in
                state.health?.close()
                state.health = health
                state.startProblem = nil
            }
            driver.pool.fill()
        }
    }

    /// The driver, made if there is none.
    func makeDriver() throws(DatabaseError) -> Driver {
        if let driver = self.state.withLock({ $0.driver }) { return driver }
        let reactor = try Reactor()
        let origin = PostgresConnection.Origin(
            connector: Connector(location: self.location, threads: self.connecting),
            reactor: reactor,
            cancelling: self.cancelling,
            limits: self.limits)
        let pool = Pool(configuration: self.configuration, observer: self.poolObserver) {
            () async throws(DatabaseError) in
            try await PostgresConnection.open(origin)
        }
        let new = Driver(reactor: reactor, pool: pool, origin: origin)
        let winner = self.state.withLock { state in
            if state.driver == nil {
                state.driver = new
                self.executor.use(reactor)
            }
            return state.driver
        }
        guard let winner, winner !== new else { return new }
        pool.end()
        reactor.stop()
        return winner
    }

    /// Another connection past the pooler, if there is one: for what needs a session.
    func openDirect(
        onNotification: (@Sendable (_ channel: String, _ payload: String) -> Void)? = nil,
        onLoss: (@Sendable () -> Void)? = nil
    ) async throws(DatabaseError) -> PostgresConnection {
        // Only of a database that is open: whoever comes after the end must not open it again.
        guard let driver = self.state.withLock({ $0.driver }) else { throw self.closed }
        let origin = PostgresConnection.Origin(
            connector: Connector(location: self.direct ?? self.location, threads: self.connecting),
            reactor: driver.reactor,
            cancelling: self.cancelling,
            limits: self.limits)
        return try await PostgresConnection.open(origin, onNotification: onNotification, onLoss: onLoss)
    }

    public func verifySchema() async throws(DatabaseError) {
        try await self.starting { () async throws(DatabaseError) in
            try self.migrations.verify(try await self.applied(), in: .postgres)
        }
        self.becomeReady()
    }

    /// What was applied, asked on a connection of the pool: the health check's own has no time for others.
    func applied(mayLack: Bool = false) async throws(DatabaseError) -> [AppliedMigration] {
        try await self.withPooled { connection throws(DatabaseError) in
            try await Schema.applied(connection, mayLack: mayLack)
        }
    }

    /// Uses a connection of the pool, for a step of the start.
    func withPooled<Value>(
        _ body: (PostgresConnection) async throws(DatabaseError) -> Value
    ) async throws(DatabaseError) -> Value {
        let pool = try self.pool()
        let connection: PostgresConnection
        do {
            connection = try await pool.acquire()
        } catch {
            throw error as? DatabaseError
                ?? DatabaseError(
                    code: .cancelled, description: "The start of database '\(self.location.name)' was cancelled.")
        }
        defer { pool.release(connection) }
        return try await body(connection)
    }

    /// Remembers for the health check what a step of the start ran into.
    func starting<Value>(
        _ step: () async throws(DatabaseError) -> Value
    ) async throws(DatabaseError) -> Value {
        do throws(DatabaseError) {
            if self.state.withLock({ $0.isInterrupted }) {
                throw DatabaseError(
                    code: .cancelled, description: "The start of database '\(self.location.name)' was cancelled.")
            }
            return try await step()
        } catch {
            self.state.withLock { $0.startProblem = error }
            throw error
        }
    }

    func becomeReady() {
        self.state.withLock { state in
            state.startProblem = nil
            state.isReady = true
        }
    }

    // MARK: - Work

    @discardableResult
    public func transaction<Value>(
        _ options: TransactionOptions, _ body: (any Transaction) async throws -> Value
    ) async throws -> Value {
        try await options.run { try await self.attempt(options, body) }
    }

    private func attempt<Value>(
        _ options: TransactionOptions, _ body: (any Transaction) async throws -> Value
    ) async throws -> Value {
        let pool = try self.pool()
        let connection = try await pool.acquire()
        defer { pool.release(connection) }
        return try await self.attempt(options, on: connection, body)
    }

    private func attempt<Value>(
        _ options: TransactionOptions, on connection: PostgresConnection,
        _ body: (any Transaction) async throws -> Value
    ) async throws -> Value {
        let transaction = PostgresTransaction(connection, options, observer: self.observer) {
            self.note($0, write: true)
        }
        do {
            let value: Value
            do {
                try await transaction.begin(self.limits)
                value = try await body(transaction)
                try Task.checkCancellation()
            } catch {
                await transaction.rollback()
                throw error
            }
            try await transaction.commit()
            return value
        } catch let error as DatabaseError where error.code == .cancelled && Task.isCancelled {
            throw CancellationError()
        }
    }

    @discardableResult
    public func execute(_ statement: Statement) async throws -> Int {
        if SQLOperation.controlsTransaction(statement.sql) {
            throw DatabaseError.transactionControl(database: self.location.name)
        }
        let pool = try self.pool()
        let connection = try await pool.acquire()
        defer { pool.release(connection) }
        // Behind a pooler the limits are set in the transaction; and a procedure, VACUUM and their like commit before they are done, where
        // no transaction keeps them from it.
        let operation = SQLOperation(sql: statement.sql)
        if connection.isPooled || !operation.isAtomic {
            return try await self.attempt(TransactionOptions(), on: connection) { try await $0.execute(statement) }
        }
        return try await self.observing(statement, as: operation, writes: true) { () async throws(DatabaseError) in
            try await connection.run(statement, isAlone: true).changedRowCount
        }
    }

    public func query(_ statement: Statement) async throws -> [Row] {
        guard SQLOperation.reads(statement.sql) else { throw DatabaseError.writingQuery(database: self.location.name) }
        let pool = try self.pool()
        do {
            return try await self.query(statement, pool)
        } catch let error as DatabaseError
            where error.code == .notReachable && error.sqlState != SQLState.cannotConnectNow
        {
            // It was lost in the pool, or with a server that is back already. It only reads, so it may be asked again.
            return try await self.query(statement, pool)
        }
    }

    private func query(_ statement: Statement, _ pool: Pool) async throws -> [Row] {
        let connection = try await pool.acquire()
        defer { pool.release(connection) }
        return try await self.observing(statement, writes: false) { () async throws(DatabaseError) in
            try await connection.query(statement)
        }
    }

    /// Runs a statement that is in no transaction, and takes note of its failure.
    private func observing<Value>(
        _ statement: Statement, as operation: SQLOperation? = nil, writes: Bool,
        _ body: () async throws(DatabaseError) -> Value
    ) async throws -> Value {
        do {
            return try await self.observer.observe(statement.sql, as: operation, body)
        } catch {
            if error.code == .cancelled, Task.isCancelled { throw CancellationError() }
            self.note(error, write: writes)
            throw error
        }
    }

    public func stream<Value>(
        _ statement: Statement, _ body: (inout RowStream) async throws -> Value
    ) async throws -> Value {
        try await self.transaction(TransactionOptions(isReadOnly: true)) { transaction in
            try await transaction.stream(statement, body)
        }
    }

    public func notifications(on channel: String) -> AsyncStream<DatabaseNotification> {
        let listener = self.state.withLock { state in
            let listener = state.listener ?? NotificationListener(self, pollInterval: self.pollInterval)
            state.listener = listener
            return listener
        }
        return listener.listen(on: channel)
    }

    func pool() throws(DatabaseError) -> Pool {
        guard let driver = self.state.withLock({ $0.driver }) else { throw self.closed }
        return driver.pool
    }

    var closed: DatabaseError {
        DatabaseError(code: .closed, description: "Database '\(self.location.name)' is not open.")
    }

    // MARK: - End

    public func interrupt() {
        self.state.withLock { $0.isInterrupted = true }
    }

    public func close() async {
        let (driver, health, listener) = self.state.withLock { state in
            defer { state = State() }
            self.executor.use(nil)
            return (state.driver, state.health, state.listener)
        }
        health?.close()
        listener?.end()
        guard let driver else { return }
        // What is still used after that is a transaction that nobody waits for.
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await driver.pool.drain() }
            group.addTask { try? await Task.sleep(for: .seconds(2)) }
            await group.next()
            group.cancelAll()
            driver.pool.closeAll()
        }
        await self.connecting.finish(within: .milliseconds(500))
        await self.cancelling.finish(within: .milliseconds(500))
        driver.reactor.stop()
    }
}
