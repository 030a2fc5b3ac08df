// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A transaction in progress, for as long as the closure that was handed it runs; afterwards every call fails.
public protocol Transaction: Sendable {
    /// Runs a statement and tells how many rows it inserted, changed or deleted.
    @discardableResult
    func execute(_ statement: Statement) async throws(DatabaseError) -> Int

    /// Runs a statement and returns its rows.
    func query(_ statement: Statement) async throws(DatabaseError) -> [Row]

    /// Undoes everything and frees the connection, because the closure will never return: its task was lost to a runtime
    /// trap. It does not wait for that, and may be called from any thread and more than once.
    func abandon()
}
