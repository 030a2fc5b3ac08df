// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage

/// The shutdowns of all replicas, in their database: a process that ends is not asked for its metrics again, so the others tell of it.
struct ShutdownRecords: Sendable {
    /// How many shutdowns went a way.
    struct Count: Sendable, Equatable, Decodable {
        var trigger: String
        var outcome: String
        var count: Int

        /// The counts of now; those ways that were known and that nothing goes any more have 0, so that their series end at it.
        static func merge(_ counts: [Count], after earlier: [Count]) -> [Count] {
            let gone = earlier.filter { old in
                !counts.contains { ($0.trigger, $0.outcome) == (old.trigger, old.outcome) }
            }
            return counts + gone.map { Count(trigger: $0.trigger, outcome: $0.outcome, count: 0) }
        }
    }

    /// How long a row is kept, in days.
    private static let keptDays = 90

    let database: any Database

    /// Remembers a shutdown; again, if more is known of it by now.
    func save(_ record: ShutdownRecord) async throws {
        let (now, old) = (self.moment(daysAgo: 0), self.moment(daysAgo: Self.keptDays))
        try await self.database.transaction(TransactionOptions(statementTimeout: .seconds(1))) { transaction in
            try await transaction.execute(
                """
                INSERT INTO shutdown_receipts
                    (instance, ended_at, trigger, outcome, exit_code, in_flight, cancelled, abandoned, seconds)
                VALUES (\(record.instance), \(now), \(record.trigger), \(record.outcome), \(record.exitCode), \(record.inFlight),
                    \(record.cancelled), \(record.abandoned), \(record.seconds))
                ON CONFLICT (instance) DO UPDATE SET outcome = excluded.outcome, exit_code = excluded.exit_code,
                    cancelled = excluded.cancelled, abandoned = excluded.abandoned, seconds = excluded.seconds
                """)
            try await transaction.execute("DELETE FROM shutdown_receipts WHERE ended_at < \(old)")
        }
    }

    /// Those of the last 24 hours.
    func lastDay() async throws -> [Count] {
        let start = self.moment(daysAgo: 1)
        return try await self.database.query(
            """
            SELECT trigger, outcome, count(*) AS count FROM shutdown_receipts WHERE ended_at > \(start)
            GROUP BY trigger, outcome ORDER BY trigger, outcome
            """
        ).map { try $0.decode(Count.self) }
    }

    /// By the clock of the database: those of the replicas differ.
    private func moment(daysAgo days: Int) -> Statement {
        switch self.database.dialect {
        case .postgres: "now() - make_interval(days => \(days))"
        case .sqlite: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', \("-\(days) days"))"
        }
    }
}
