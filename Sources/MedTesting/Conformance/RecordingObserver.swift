// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import MedStorage
import Synchronization

/// Remembers what a driver did, in order.
package final class RecordingObserver: DatabaseObserver {
    /// A statement that has ended.
    package struct Record: Sendable, Equatable {
        /// What it did.
        package var operation: SQLOperation
        /// Its text.
        package var sql: String
        /// How many statements there were.
        package var count = 1
        /// What was wrong with it.
        package var error: DatabaseError.Code?

        /// A statement as a test expects it.
        package init(_ operation: SQLOperation, _ sql: String, count: Int = 1, error: DatabaseError.Code? = nil) {
            self.operation = operation
            self.sql = sql
            self.count = count
            self.error = error
        }
    }

    private let recorded = Mutex<[Record]>([])

    package init() {}

    /// What has ended so far.
    package var records: [Record] { self.recorded.withLock { $0 } }

    package func began(_ operation: SQLOperation, _ sql: String, count: Int) -> @Sendable (DatabaseError?) -> Void {
        { error in
            self.recorded.withLock { $0.append(Record(operation, sql, count: count, error: error?.code)) }
        }
    }

    private struct Mishap: Error {}

    /// What ``exercise(_:)`` does, as every driver has to tell it.
    package static let exercise: [Record] = [
        Record(.begin, "BEGIN"),
        Record(.insert, "INSERT INTO drill_rows (value) VALUES ($1)"),
        Record(.insert, "INSERT INTO drill_rows (value) VALUES ($1)", count: 2),
        Record(.select, "SELECT count(*) FROM drill_rows"),
        Record(.commit, "COMMIT"),
        Record(.select, "SELECT value FROM drill_rows WHERE value = $1"),
        Record(.begin, "BEGIN"),
        Record(.insert, "INSERT INTO drill_rows (value) VALUES (NULL)", error: .constraint),
        Record(.rollback, "ROLLBACK"),
        Record(.begin, "BEGIN"),
        Record(.copy, "COPY"),
        Record(.rollback, "ROLLBACK"),
    ]

    /// Has a database with MedBuilder's own schema do a little of everything, and gives what the observer heard.
    package func exercise(_ database: any Database) async throws -> [Record] {
        try await database.transaction { transaction in
            try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\("a"))")
            try await transaction.executeAll(["b", "c"].map { "INSERT INTO drill_rows (value) VALUES (\($0))" })
            _ = try await transaction.query("SELECT count(*) FROM drill_rows")
        }
        _ = try await database.query("SELECT value FROM drill_rows WHERE value = \("a")")
        _ = try? await database.transaction {
            try await $0.execute("INSERT INTO drill_rows (value) VALUES (NULL)")
        }
        _ = try? await database.transaction { transaction in
            try await transaction.copy(into: "drill_rows", columns: ["value"], rows: [[.text("d")]])
            throw Mishap()
        }
        // The text of a bulk copy is the driver's own.
        return self.records.map { $0.operation == .copy ? Record(.copy, "COPY", error: $0.error) : $0 }
    }
}
