// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedSQLite
import MedStorage
import MedTesting
import Testing

@Suite struct TransactionTests {
    private struct Mishap: Error {}

    private let folder: TemporaryFolder
    private var path: String { self.folder.file("med.sqlite") }

    init() throws {
        self.folder = try TemporaryFolder()
    }

    @Test func `a transaction is committed when its closure returns, with what it returns`() async throws {
        try await withDatabase(self.path) { database in
            let changed = try await database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('a'), ('b')")
                return try await transaction.execute("UPDATE drill_rows SET value = \("c") WHERE value = \("a")")
            }
            #expect(changed == 1)
            #expect(
                try await database.query("SELECT value FROM drill_rows ORDER BY id").map { $0[0] } == [
                    .text("c"), .text("b"),
                ])
        }
    }

    @Test func `an observer hears of every statement, and not of its values`() async throws {
        let observer = RecordingObserver()
        let database = makeDatabase(self.path, observer: observer)
        try await database.open()
        try await database.migrate()
        let records = try await observer.exercise(database)
        #expect(records == RecordingObserver.exercise)
        await database.close()
    }

    @Test func `values of every type come back as they went in`() async throws {
        try await withDatabase(self.path) { database in
            let values: [SQLValue] = [
                .null, .integer(.min), .double(0.1), .text("'; DROP TABLE x; --ü"), .blob([0, 255]), .blob([]),
            ]
            let row = try await database.query(
                "SELECT \(values[0]), \(values[1]), \(values[2]), \(values[3]), \(values[4]), \(values[5])"
            )[0]
            #expect(row.values == values)
        }
    }

    @Test func `a text that the database would cut short is refused`() async throws {
        try await withDatabase(self.path) { database in
            #expect(await code { try await database.insert("a\0b") } == .invalidStatement)
            try await database.insert("c")
        }
    }

    @Test(arguments: [false, true])
    func `one that was abandoned ends nobody else's transaction`(throwing: Bool) async throws {
        try await withDatabase(self.path) { database in
            let isAbandoned = AsyncStream.makeStream(of: Void.self)
            let hasWritten = AsyncStream.makeStream(of: Void.self)
            let hasEnded = AsyncStream.makeStream(of: Void.self)
            // Its task goes on, although another one of the same request was lost.
            async let abandoned: MedStorage.DatabaseError.Code? = code {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('abandoned')")
                    transaction.abandon()
                    isAbandoned.continuation.yield()
                    for await _ in hasWritten.stream { break }
                    if throwing { throw Mishap() }
                }
            }
            // Not before: it could be the first to write, and then wait for one that waits for its end.
            for await _ in isAbandoned.stream { break }
            async let next: Void = database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('debit')")
                hasWritten.continuation.yield()
                for await _ in hasEnded.stream { break }
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('credit')")
            }
            // What the closure throws is passed on, and the helper knows no code for it.
            #expect(await abandoned == (throwing ? nil : .transactionEnded))
            hasEnded.continuation.yield()
            try await next
            #expect(
                try await database.query("SELECT value FROM drill_rows ORDER BY id").map { $0[0] } == [
                    .text("debit"), .text("credit"),
                ])
        }
    }

    @Test func `a transaction is undone when its closure throws`() async throws {
        try await withDatabase(self.path) { database in
            await #expect(throws: Mishap.self) {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('a')")
                    throw Mishap()
                }
            }
            #expect(try await database.rowCount() == 0)
            try await database.insert("b")
        }
    }

    @Test func `nobody sees a transaction before its commit, and the health check and readers go on`() async throws {
        try await withDatabase(self.path) { database in
            try await database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('a')")
                #expect(try await transaction.query("SELECT count(*) FROM drill_rows")[0][0] == .integer(1))
                #expect(try await database.rowCount() == 0)
                #expect(await database.check().status == .connected)
            }
            #expect(try await database.rowCount() == 1)
        }
    }

    @Test func `a cancelled transaction is undone, though its closure returns`() async throws {
        try await withDatabase(self.path) { database in
            let (inserted, tellInserted) = AsyncStream<Void>.makeStream()
            let task = Task {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('a')")
                    tellInserted.finish()
                    try? await Task.sleep(for: .seconds(3600))
                }
            }
            for await _ in inserted {}
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await database.rowCount() == 0)
            try await database.insert("b")
        }
    }

    @Test func `who waits for the writer and is cancelled leaves the queue at once`() async throws {
        try await withDatabase(self.path) { database in
            try await database.transaction { _ in
                let waiting = Task { try await database.insert("a") }
                let cancelledFirst = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    try await database.insert("b")
                }
                try await Task.sleep(for: .milliseconds(20))
                waiting.cancel()
                // Both end while this transaction still has the writer.
                await #expect(throws: CancellationError.self) { try await waiting.value }
                await #expect(throws: CancellationError.self) { try await cancelledFirst.value }
            }
            try await database.insert("c")
            #expect(try await database.rowCount() == 1)
        }
    }

    @available(macOS 26, *)
    @Test func `writers queue in the order in which they came`() async throws {
        try await withDatabase(self.path) { database in
            var writers: [Task<Void, any Error>] = []
            try await database.transaction { _ in
                for number in 1...20 {
                    // Immediate: it is in the queue before the next one begins.
                    writers.append(Task.immediate { try await database.insert("\(number)") })
                }
            }
            for writer in writers { try await writer.value }
            let values = try await database.query("SELECT value FROM drill_rows ORDER BY id").map { $0[0] }
            #expect(values == (1...20).map { .text("\($0)") })
        }
    }

    @Test func `a hundred writers at once each get their turn`() async throws {
        try await withDatabase(self.path) { database in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        try await database.transaction { transaction in
                            try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\(number))")
                            await Task.yield()
                            try await transaction.execute(
                                "UPDATE drill_rows SET id = id + 1000 WHERE value = \("\(number)")")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(
                try await database.query("SELECT count(*) FROM drill_rows WHERE id > 1000")[0][0]
                    == .integer(100))
        }
    }

    @Test func `random cancellations lose no commit and leave no lock`() async throws {
        try await withDatabase(self.path) { database in
            let committed = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let task = Task { try await database.insert("\(number)") }
                        if number % 2 == 0 {
                            try? await Task.sleep(for: .microseconds(number * 50))
                            task.cancel()
                        }
                        return (try? await task.value) != nil
                    }
                }
                return await group.reduce(Int64(0)) { $1 ? $0 + 1 : $0 }
            }
            #expect(try await database.rowCount() == committed)
            try await database.insert("last")
        }
    }

    @Test func `a transaction that is over takes no more statements`() async throws {
        try await withDatabase(self.path) { database in
            let escaped = try await database.transaction { $0 }
            #expect(
                await code { try await escaped.execute("INSERT INTO drill_rows (value) VALUES ('a')") }
                    == .transactionEnded)
            try await database.transaction { _ in
                #expect(await code { _ = try await escaped.query("SELECT 1") } == .transactionEnded)
            }
            #expect(try await database.rowCount() == 0)
        }
    }

    @Test func `errors say what is wrong and nothing of the data`() async throws {
        let plan = try MigrationPlan([
            Migration(
                version: 1, name: "secrets",
                statements: ["CREATE TABLE secrets (value TEXT UNIQUE CHECK (value <> 'empty'))"])
        ])
        try await withDatabase(self.path, migrations: plan) { database in
            let secret = "ada-lovelace"
            let statements: [(Statement, MedStorage.DatabaseError.Code)] = [
                ("INSERT INTO secrets VALUES (\(secret)), (\(secret))", .constraint),
                ("INSERT INTO secrets VALUES (\("empty"))", .constraint),
                ("SELECT json_extract('{}', \(secret))", .invalidStatement),
                ("SELECT * FROM missing WHERE value = \(secret)", .invalidStatement),
            ]
            for (statement, expected) in statements {
                do {
                    try await database.transaction { transaction in _ = try await transaction.query(statement) }
                    Issue.record("\(statement.sql) should fail")
                } catch let error as MedStorage.DatabaseError {
                    #expect(error.code == expected)
                    #expect(!error.description.contains(secret))
                    #expect(error.description.contains(self.path))
                }
            }
            #expect(await database.check().status == .connected)
        }
    }

    @Test func `a reader cannot write`() async throws {
        try await withDatabase(self.path) { database in
            #expect(
                await code { _ = try await database.query("INSERT INTO drill_rows (value) VALUES ('a')") } == .readOnly)
            #expect(await database.check().status == .connected)
        }
    }

    @Test func `closing undoes a transaction that is still running, and does not wait for it`() async throws {
        let database = makeDatabase(self.path)
        try await database.open()
        try await database.migrate()
        let failure = await code {
            try await database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('a')")
                await database.closeToTheEnd()
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('b')")
            }
        }
        #expect(failure == .closed)
        let rows = try await withDatabase(self.path) { try await $0.rowCount() }
        #expect(rows == 0)
    }
}
