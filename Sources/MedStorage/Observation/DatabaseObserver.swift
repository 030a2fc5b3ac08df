// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Hears of every statement that a driver runs for the application, for metrics and traces. Health checks and migrations are not among
/// them.
///
/// It is called in the task of the caller, so that its context is there, and must not block.
public protocol DatabaseObserver: Sendable {
    /// A statement, or a batch of them, is about to be sent. What is returned is called when it has ended, with its error if it failed.
    ///
    /// - Parameters:
    ///   - operation: what it does.
    ///   - sql: its text, without the values of its parameters.
    ///   - count: how many statements there are; the text is that of the first.
    func began(_ operation: SQLOperation, _ sql: String, count: Int) -> @Sendable (DatabaseError?) -> Void
}

extension Optional<any DatabaseObserver> {
    /// Runs `body`; the observer, if there is one, hears of it.
    ///
    /// - Parameters:
    ///   - sql: what is run, or the first of it.
    ///   - operation: what it does, if the text need not be looked at for that.
    ///   - count: how many statements there are.
    package func observe<Value>(
        _ sql: String, as operation: SQLOperation? = nil, count: Int = 1,
        _ body: () async throws(DatabaseError) -> Value
    ) async throws(DatabaseError) -> Value {
        guard let observer = self else { return try await body() }
        let ended = observer.began(operation ?? SQLOperation(sql: sql), sql, count: count)
        do throws(DatabaseError) {
            let value = try await body()
            ended(nil)
            return value
        } catch {
            ended(error)
            throw error
        }
    }
}
