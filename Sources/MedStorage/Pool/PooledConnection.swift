// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a ``ConnectionPool`` keeps.
public protocol PooledConnection: AnyObject, Sendable {
    /// Whether somebody may use it: false once it is lost, or in a state that nobody knows. It never becomes true again.
    var isUsable: Bool { get }
    /// Makes sure that the other side is still there.
    func ping() async throws(DatabaseError)
    /// Gives it back to the server. It does not wait, and more than once is nothing.
    func close()
}
