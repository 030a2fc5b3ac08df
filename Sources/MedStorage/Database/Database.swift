// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Where the server keeps its data: one database, whichever driver is behind it.
///
/// Nothing above this protocol can name a driver. A life is `open`, then ``migrate(to:)`` or ``verifySchema()``, then work, then ``close()``:
///
/// ```swift
/// try await database.open()
/// try await database.migrate()
/// try await database.transaction { transaction in
///     try await transaction.execute("INSERT INTO notes (body) VALUES (\(body))")
/// }
/// ```
///
/// ``open()`` and what follows it may fail for as long as the database is away; each can simply be called again.
public protocol Database: Sendable {
    /// Connects. Does nothing when already connected; after a failure it may be called again at any time.
    ///
    /// It gives up after a short time of the driver's choosing, so that the caller decides how to go on.
    func open() async throws(DatabaseError)

    /// Brings the schema up to a version, or to that of this program if there is none, one migration and one process at a time.
    @discardableResult
    func migrate(to version: Int?) async throws(DatabaseError) -> MigrationReport

    /// What was applied to the database, and what it lacks. It changes nothing, and works before ``migrate(to:)``.
    func migrationStatus() async throws(DatabaseError) -> MigrationStatus

    /// What it is called in errors: the path of its file, or its name on its server.
    var name: String { get }

    /// Whose SQL it speaks.
    var dialect: SQLDialect { get }

    /// Makes sure, without changing anything, that the schema is the one that this program works with.
    func verifySchema() async throws(DatabaseError)

    /// Asks the database itself how it is, on a connection kept for this, so that it works however busy the others are.
    ///
    /// Before ``migrate(to:)`` or ``verifySchema()`` has succeeded, it answers from what they and ``open()`` last ran into.
    func check() async -> DatabaseCheck

    /// Runs `body` in a transaction that can write: commits what it did when it returns, undoes it when it throws.
    ///
    /// A task that is cancelled before the commit was sent gets `CancellationError` and leaves nothing behind; once it was sent, its
    /// outcome stands and is what the caller gets. Errors of `body` come out unchanged. Whoever calls it waits without holding a thread,
    /// in the order of the calls where the database admits one writer. Do not call it inside `body`: that would wait for itself.
    @discardableResult
    func transaction<Result>(
        _ options: TransactionOptions, _ body: (any Transaction) async throws -> Result
    ) async throws -> Result

    /// Runs one statement in a transaction of its own, and tells how many rows it inserted, changed or deleted.
    ///
    /// Where the database can, the statement is its own commit, and costs one way to the server and back instead of two. A task that is
    /// cancelled gets the result if it was done, `CancellationError` if it was not, and `.outcomeUnknown` where the database does not say
    /// which; so does whoever waits when the connection is lost or the database closed.
    @discardableResult
    func execute(_ statement: Statement) async throws -> Int

    /// The rows of one statement that only reads, as of the last commit, outside of any transaction.
    ///
    /// It may be asked again where its connection was lost. Statements that write, as far as their words say, are refused; a function that
    /// writes cannot be told by its name, so call it by ``execute(_:)`` or in a transaction.
    func query(_ statement: Statement) async throws -> [Row]

    /// The rows of one statement that only reads, when they may be too many for memory. They end with `body`.
    func stream<Result>(
        _ statement: Statement, _ body: (inout RowStream) async throws -> Result
    ) async throws -> Result

    /// What transactions send on a channel by ``Transaction/notify(_:payload:)``, from any process where the database can carry it, until
    /// the sequence is let go of or the database closed.
    func notifications(on channel: String) -> AsyncStream<DatabaseNotification>

    /// Makes ``open()`` and ``migrate(to:)`` fail at once instead of waiting any longer, now and until ``close()``.
    ///
    /// For a server that is told to stop before it has begun; running transactions may be hit as well.
    func interrupt()

    /// Gives all connections back, within a few seconds whatever state the database is in. A transaction still running is undone.
    func close() async
}

extension Database {
    /// Brings the schema up to the version of this program.
    @discardableResult
    public func migrate() async throws(DatabaseError) -> MigrationReport { try await self.migrate(to: nil) }

    /// Runs `body` in a transaction that can write, with the options that are the default.
    @discardableResult
    public func transaction<Result>(_ body: (any Transaction) async throws -> Result) async throws -> Result {
        try await self.transaction(TransactionOptions(), body)
    }
}
