// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A transaction in progress, for as long as the closure that was handed it runs; afterwards every call fails.
///
/// After an error, SQLite goes on with the next statement and Postgres with none: work that may fail belongs into a ``savepoint(_:)``.
///
/// One statement runs at a time: two tasks of the closure do not use it together.
public protocol Transaction: Sendable {
    /// Runs a statement and tells how many rows it inserted, changed or deleted.
    @discardableResult
    func execute(_ statement: Statement) async throws(DatabaseError) -> Int

    /// Runs a statement and returns its rows.
    func query(_ statement: Statement) async throws(DatabaseError) -> [Row]

    /// Runs many statements in one go, which is much faster than one by one, and tells how many rows each changed.
    ///
    /// It stops at the first that fails. On Postgres, that ends what the transaction can do, as with every error.
    @discardableResult
    func executeAll(_ statements: [Statement]) async throws(DatabaseError) -> [Int]

    /// Inserts many rows in the fastest way that the database has.
    ///
    /// - Parameters:
    ///   - table: The table; it and the columns are names, and are quoted.
    ///   - columns: Those that get a value.
    ///   - rows: The values, in the order of the columns; drawn from as the database takes them.
    /// - Returns: how many there were.
    @discardableResult
    func copy(
        into table: String, columns: [String], rows: some Sequence<[SQLValue]> & Sendable
    ) async throws(DatabaseError) -> Int

    /// The rows of a statement that reads, when they may be too many for memory. They end with `body`, which may use the transaction.
    func stream<Result>(
        _ statement: Statement, _ body: (inout RowStream) async throws -> Result
    ) async throws -> Result

    /// Undoes what `body` did in the transaction if it throws; the transaction goes on either way.
    func savepoint<Result>(_ body: () async throws -> Result) async throws -> Result

    /// Wakes whoever listens on a channel, once the transaction has committed; nobody if it does not.
    ///
    /// - Parameters:
    ///   - channel: What they listen on.
    ///   - payload: Less than 8,000 bytes: a key of what has changed, rather than what has changed.
    func notify(_ channel: String, payload: String) async throws(DatabaseError)

    /// Undoes everything and frees the connection, because the closure will never return: its task was lost to a runtime
    /// trap. It does not wait for that, and may be called from any thread and more than once.
    func abandon()
}
