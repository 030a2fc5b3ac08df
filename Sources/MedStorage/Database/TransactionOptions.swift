// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How a transaction is to run. By default it writes, sees what others commit meanwhile, and runs once.
public struct TransactionOptions: Sendable, Equatable {
    /// How much of what others do meanwhile a transaction sees (ISO/IEC 9075; PostgreSQL, 13.2). SQLite is always serializable.
    public enum Isolation: String, Sendable, CaseIterable {
        /// Each statement sees what was committed before it.
        case readCommitted = "READ COMMITTED"
        /// All statements see what was committed before the first.
        case repeatableRead = "REPEATABLE READ"
        /// As if transactions ran one after the other.
        case serializable = "SERIALIZABLE"
    }

    /// How much it sees; nil for what the database does by default.
    public var isolation: Isolation?
    /// Whether writing is refused.
    public var isReadOnly: Bool
    /// Whether the closure may run again, up to ``attempts`` times, when the database has undone it for the sake of another transaction.
    /// What it does beside the database then happens again, too.
    public var isRepeatable: Bool
    /// How long one statement may take; nil for the database's own limit.
    public var statementTimeout: Duration?

    /// How often a repeatable closure runs at most.
    public static let attempts = 10

    /// Options, each with its default.
    public init(
        isolation: Isolation? = nil,
        isReadOnly: Bool = false,
        isRepeatable: Bool = false,
        statementTimeout: Duration? = nil
    ) {
        self.isolation = isolation
        self.isReadOnly = isReadOnly
        self.isRepeatable = isRepeatable
        self.statementTimeout = statementTimeout
    }

    /// Runs `attempt`, and again, after a pause that grows and differs, for as long as it fails in a way that may pass.
    public func run<Result>(_ attempt: () async throws -> Result) async throws -> Result {
        var slots = 1.0
        for _ in 1..<Self.attempts where self.isRepeatable {
            let start = ContinuousClock.now
            do {
                return try await attempt()
            } catch let error as DatabaseError where error.isRepeatable {
                // Those who collide part only by pauses that are long beside the transaction, which takes longer on a busy machine.
                let slot = max(ContinuousClock.now - start, .milliseconds(5))
                try await Task.sleep(for: min(slot * slots * Double.random(in: 0.5...1.5), .seconds(2)))
                slots = min(slots * 2, 32)
            }
        }
        return try await attempt()
    }
}
