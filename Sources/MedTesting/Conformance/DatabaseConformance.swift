// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import MedStorage

/// What every driver of ``MedStorage/Database`` has to do, for whoever writes one.
///
/// ```swift
/// @Test(arguments: DatabaseConformance.Case.allCases)
/// func `the driver conforms`(to promise: DatabaseConformance.Case) async throws {
///     try await DatabaseConformance { MyDatabase(migrations: $0) }.check(promise)
/// }
/// ```
public struct DatabaseConformance: Sendable {
    /// A promise.
    public enum Case: String, CaseIterable, Sendable {
        case everyTypeComesBack, limitsComeBack, nullsComeBack, nulCharacterIsRefused, rowsAreDecoded,
            statementsAreSpliced
        case commitStays, statementAloneStays, failedStatementAloneDoesNothing, throwUndoes, cancellationUndoes,
            savepointUndoesItsPart, batchStopsAtTheFirstError,
            batchCounts
        case copyInserts, streamIsWhole, streamCanBeLeft, constraintShowsNoValue, nonsenseIsRefused,
            readOnlyRefusesWrites
        case namesAreQuoted, textInSpliceIsLeftAlone, transactionControlIsRefused, queryRefusesWrites
        case endedTransactionDoesNothing, concurrentCountersLoseNothing, notificationsFollowCommits
    }

    /// A promise that was not kept.
    public struct Broken: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Mishap: Error {}

    private let makeDatabase: @Sendable (MigrationPlan) async throws -> any Database

    /// Creates the suite; `makeDatabase` makes a new and empty database that is not open yet.
    public init(makeDatabase: @escaping @Sendable (MigrationPlan) async throws -> any Database) {
        self.makeDatabase = makeDatabase
    }

    private static let plan: [Migration] = [
        Migration(
            version: 1, name: "conformance",
            sqlite: [
                "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, number INTEGER)",
                """
                CREATE TABLE kinds (integer INTEGER, double REAL, text TEXT, blob BLOB, boolean INTEGER, uuid TEXT, moment TEXT,
                    json TEXT, numbers TEXT, texts TEXT)
                """,
            ],
            postgres: [
                "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, number BIGINT)",
                """
                CREATE TABLE kinds (integer BIGINT, double DOUBLE PRECISION, text TEXT, blob BYTEA, boolean BOOLEAN, uuid UUID,
                    moment TIMESTAMPTZ, json JSON, numbers BIGINT[], texts TEXT[])
                """,
            ])
    ]

    /// Throws ``Broken`` if the promise is not kept.
    public func check(_ promise: Case) async throws {
        let database = try await self.makeDatabase(try MigrationPlan(Self.plan))
        do {
            try await database.open()
            try await database.migrate()
            try await self.check(promise, database)
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    private func expect(_ condition: Bool, _ what: String) throws {
        if !condition { throw Broken(description: what) }
    }

    private func code(_ body: () async throws -> Void) async -> DatabaseError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? DatabaseError)?.code
        }
    }

    private func add(_ id: Int, _ name: String, _ transaction: any Transaction) async throws {
        try await transaction.execute("INSERT INTO things (id, name, number) VALUES (\(id), \(name), 0)")
    }

    private func names(_ database: any Database) async throws -> [String] {
        try await database.query("SELECT name FROM things ORDER BY id").map { try $0.decode("name") }
    }

    private struct Kinds: Equatable {
        var integer: Int64?
        var double: Double?
        var text: String?
        var blob: [UInt8]?
        var boolean: Bool?
        var uuid: UUID?
        var moment: SQLTimestamp?
        var json: String?
        var numbers: [Int64]?
        var texts: [String]?
    }

    private func roundTrip(_ kinds: Kinds, _ database: any Database) async throws {
        let json = kinds.json.map { SQLValue.json($0) } ?? .null
        try await database.transaction { transaction in
            try await transaction.execute(
                """
                INSERT INTO kinds (integer, double, text, blob, boolean, uuid, moment, json, numbers, texts)
                VALUES (\(kinds.integer), \(kinds.double), \(kinds.text), \(kinds.blob), \(kinds.boolean), \(kinds.uuid),
                    \(kinds.moment), \(json), \(kinds.numbers), \(kinds.texts))
                """)
        }
        let row = try await database.query("SELECT * FROM kinds").first
        let found = try row.map { row in
            Kinds(
                integer: try row.decode("integer"), double: try row.decode("double"), text: try row.decode("text"),
                blob: try row.decode("blob"), boolean: try row.decode("boolean"), uuid: try row.decode("uuid"),
                moment: try row.decode("moment"), json: try row.decode("json"), numbers: try row.decode("numbers"),
                texts: try row.decode("texts"))
        }
        try self.expect(found == kinds, "A value has changed on the way: \(kinds) is now \(String(describing: found)).")
    }

    private func check(_ promise: Case, _ database: any Database) async throws {
        switch promise {
        case .everyTypeComesBack:
            try await self.roundTrip(
                Kinds(
                    integer: -1, double: 0.1, text: "'; DROP TABLE things; --\n\t\"e\u{301}🩺", blob: [0, 255, 92],
                    boolean: true,
                    uuid: UUID(), moment: SQLTimestamp(microsecondsSince1970: 1_764_240_000_123_456),
                    json: #"{"a": [1, null, "b"]}"#, numbers: [1, -2, 3],
                    texts: ["", "a,b", "{\"}\\", "NULL", "\u{600}\",\"\u{301}b", "\\\u{301}"]),
                database)
        case .limitsComeBack:
            try await self.roundTrip(
                Kinds(
                    integer: .min, double: -.infinity, text: String(repeating: "ü", count: 1_000_000),
                    blob: [UInt8](repeating: 7, count: 1_000_000), boolean: false, uuid: UUID(), moment: .infinity,
                    json: "null",
                    numbers: [.min, .max], texts: []), database)
        case .nullsComeBack:
            try await self.roundTrip(Kinds(), database)
        case .nulCharacterIsRefused:
            let code = await self.code {
                try await database.transaction { try await self.add(1, "a\0b", $0) }
            }
            try self.expect(code == .invalidStatement, "A text with a NUL character gave \(String(describing: code)).")
            try self.expect(try await self.names(database).isEmpty, "It was stored all the same.")
        case .rowsAreDecoded:
            struct Thing: Decodable, Equatable {
                var id: Int
                var name: String
                var number: Int?
            }
            try await database.transaction { try await self.add(1, "a", $0) }
            let row = try await database.query("SELECT id, name, number FROM things")[0]
            try self.expect(
                try row.decode(Thing.self) == Thing(id: 1, name: "a", number: 0), "A row was not decoded as a value.")
            try self.expect(row["name"] == .text("a") && row["none"] == nil, "A column was not found by its name.")
            let code = await self.code { _ = try row.decode("name", as: Int.self) }
            try self.expect(code == .unexpectedValue, "Text was taken for a number.")
        case .statementsAreSpliced:
            try await database.transaction { for id in 1...3 { try await self.add(id, "n\(id)", $0) } }
            let filter: Statement = "id > \(1) AND name <> \("n3")"
            let rows = try await database.query("SELECT name FROM things WHERE number = \(0) AND \(filter)")
            try self.expect(rows.map { $0[0] } == [.text("n2")], "A statement within another gave \(rows.count) rows.")
        case .commitStays:
            let changed = try await database.transaction { transaction in
                for id in 1...3 { try await self.add(id, "n\(id)", transaction) }
                return try await transaction.execute("UPDATE things SET number = 7 WHERE id > \(1)")
            }
            try self.expect(changed == 2, "An update of two rows changed \(changed).")
            try self.expect(try await self.names(database).count == 3, "Not all rows are there.")
        case .statementAloneStays:
            for id in 1...3 {
                try await database.execute("INSERT INTO things (id, name, number) VALUES (\(id), \("n\(id)"), 0)")
            }
            let changed = try await database.execute("UPDATE things SET number = 7 WHERE id > \(1)")
            try self.expect(changed == 2, "An update of two rows changed \(changed).")
            try self.expect(try await self.names(database).count == 3, "Not all rows are there.")
        case .failedStatementAloneDoesNothing:
            try await database.execute("INSERT INTO things (id, name, number) VALUES (1, 'a', 0)")
            let code = await self.code {
                // The second row is one too many.
                try await database.execute("INSERT INTO things (id, name, number) VALUES (2, 'b', 0), (3, 'a', 0)")
            }
            try self.expect(code == .constraint, "A name that is taken gave \(String(describing: code)).")
            try self.expect(try await self.names(database) == ["a"], "Half of a statement is there.")
            try await database.execute("DELETE FROM things WHERE id = \(1)")
            try self.expect(try await self.names(database).isEmpty, "What came after a failure was not done.")
        case .throwUndoes:
            do {
                try await database.transaction { transaction in
                    try await self.add(1, "a", transaction)
                    throw Mishap()
                }
                throw Broken(description: "The closure's error did not come out.")
            } catch is Mishap {}
            try self.expect(try await self.names(database).isEmpty, "It was not undone.")
        case .cancellationUndoes:
            let task = Task {
                try await database.transaction { transaction in
                    try await self.add(1, "a", transaction)
                    try await Task.sleep(for: .seconds(3600))
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            task.cancel()
            do {
                try await task.value
                throw Broken(description: "It went on.")
            } catch is CancellationError {}
            try self.expect(try await self.names(database).isEmpty, "It was not undone.")
        case .savepointUndoesItsPart:
            try await database.transaction { transaction in
                try await self.add(1, "a", transaction)
                let code = await self.code {
                    try await transaction.savepoint {
                        try await self.add(2, "b", transaction)
                        try await self.add(3, "a", transaction)
                    }
                }
                try self.expect(code == .constraint, "The error did not come out.")
                try await transaction.savepoint {
                    try await transaction.savepoint { try await self.add(4, "d", transaction) }
                }
            }
            let names = try await self.names(database)
            try self.expect(names == ["a", "d"], "What is there: \(names)")
        case .batchStopsAtTheFirstError:
            let code = await self.code {
                _ = try await database.transaction { transaction in
                    try await transaction.executeAll([
                        "INSERT INTO things (id, name) VALUES (1, 'a')",
                        "INSERT INTO things (id, name) VALUES (2, 'a')",
                        "INSERT INTO things (id, name) VALUES (3, 'c')",
                    ])
                }
            }
            try self.expect(code == .constraint, "A batch with an error gave \(String(describing: code)).")
            try self.expect(try await self.names(database).isEmpty, "It was not undone.")
        case .batchCounts:
            let counts = try await database.transaction { transaction in
                try await transaction.executeAll(
                    (0..<1500).map { "INSERT INTO things (id, name, number) VALUES (\($0), \("n\($0)"), \($0))" }
                        + ["UPDATE things SET number = 1 WHERE id < 10", "DELETE FROM things WHERE id < 0", "SELECT 1"])
            }
            try self.expect(
                counts == [Int](repeating: 1, count: 1500) + [10, 0, 0],
                "A batch counted \(counts.suffix(4)) in the end.")
        case .copyInserts:
            let count = try await database.transaction { transaction in
                try await transaction.copy(
                    into: "things", columns: ["id", "name", "number"],
                    rows: (0..<10_000).map { [.integer(Int64($0)), .text("tab\t\\N \($0)\n"), .null] })
            }
            let rows = try await database.query("SELECT name, number FROM things WHERE id = \(9999)")
            try self.expect(
                count == 10_000 && rows[0].values == [.text("tab\t\\N 9999\n"), .null], "A copy is no copy.")
        case .streamIsWhole:
            try await database.transaction { transaction in
                try await transaction.copy(
                    into: "things", columns: ["id", "name", "number"],
                    rows: (0..<20_000).map { [.integer(Int64($0)), .text("\($0)"), .integer(1)] })
            }
            let sum = try await database.stream("SELECT number FROM things WHERE id >= \(0)") { rows in
                var sum = 0
                while let row = try await rows.next() { sum += try row.decode(0, as: Int.self) }
                return sum
            }
            try self.expect(sum == 20_000, "A stream of 20,000 rows had \(sum).")
        case .streamCanBeLeft:
            try await database.transaction { transaction in
                for id in 1...600 { try await self.add(id, "n\(id)", transaction) }
                let first = try await transaction.stream("SELECT id FROM things ORDER BY id") { rows in
                    let first = try await rows.next()
                    // The transaction goes on meanwhile.
                    try await transaction.execute("UPDATE things SET number = 1 WHERE id = 600")
                    return first
                }
                try self.expect(first?[0] == .integer(1), "The first row is another.")
                try await self.add(601, "last", transaction)
            }
            do {
                try await database.stream("SELECT id FROM things") { rows in
                    _ = try await rows.next()
                    throw Mishap()
                }
            } catch is Mishap {}
            try self.expect(try await self.names(database).count == 601, "Rows are missing.")
        case .constraintShowsNoValue:
            try await database.transaction { try await self.add(1, "secret", $0) }
            do {
                try await database.transaction { try await self.add(2, "secret", $0) }
                throw Broken(description: "A rule of the schema was broken.")
            } catch let error as DatabaseError {
                try self.expect(error.code == .constraint, "It was \(error.code).")
                try self.expect(!error.description.contains("secret"), "The error shows the value.")
            }
        case .nonsenseIsRefused:
            let code = await self.code { _ = try await database.query("SELEKT \(1)") }
            try self.expect(code == .invalidStatement, "Nonsense gave \(String(describing: code)).")
            try self.expect(try await self.names(database).isEmpty, "The database is not what it was.")
        case .readOnlyRefusesWrites:
            let code = await self.code {
                try await database.transaction(TransactionOptions(isReadOnly: true)) { try await self.add(1, "a", $0) }
            }
            try self.expect(code == .readOnly, "A write gave \(String(describing: code)).")
            try await database.transaction { try await self.add(1, "a", $0) }
            let check = await database.settledCheck()
            try self.expect(check.status == .connected, "It counts as a fault of the database.")
        case .namesAreQuoted:
            // A quote that a combining mark follows is one for the database, and part of another character for Swift.
            for name in [
                "name\") SELECT 1, 2 --", "name\"\u{301}) SELECT 1, 2 --", "\u{600}\") SELECT 1, 2 --",
            ] {
                let code = await self.code {
                    _ = try await database.transaction {
                        try await $0.copy(into: "things", columns: ["id", name], rows: [[.integer(1), .text("a")]])
                    }
                }
                try self.expect(code == .invalidStatement, "A column of an odd name gave \(String(describing: code)).")
            }
            let code = await self.code {
                _ = try await database.transaction {
                    try await $0.copy(into: "things\"\u{301} --", columns: ["id"], rows: [[.integer(1)]])
                }
            }
            try self.expect(code == .invalidStatement, "A table of an odd name gave \(String(describing: code)).")
            try self.expect(try await self.names(database).isEmpty, "An odd name wrote something.")
        case .textInSpliceIsLeftAlone:
            let part: Statement = "\("b") AS second, 'costs US$1' AS price"
            let row = try await database.query("SELECT \("a") AS first, \(part)").first
            try self.expect(
                row?.values == [.text("a"), .text("b"), .text("costs US$1")],
                "A statement within a statement gave \(String(describing: row)).")
        case .transactionControlIsRefused:
            let statements: [Statement] = [
                "BEGIN", "commit", "COMMIT AND CHAIN", "/* a */ ROLLBACK", "-- a\nEND", "START TRANSACTION",
                "rollback to a",
            ]
            for statement in statements {
                try await database.transaction { transaction in
                    let one = await self.code { try await transaction.execute(statement) }
                    let many = await self.code { try await transaction.executeAll([statement]) }
                    try self.expect(
                        one == .invalidStatement && many == .invalidStatement,
                        "'\(statement.sql)' in a transaction gave \(String(describing: one)).")
                }
                let query = await self.code { _ = try await database.query(statement) }
                try self.expect(query != nil, "'\(statement.sql)' was taken as a query.")
                let alone = await self.code { try await database.execute(statement) }
                try self.expect(
                    alone == .invalidStatement, "'\(statement.sql)' alone gave \(String(describing: alone)).")
            }
            try await database.transaction { try await self.add(1, "a", $0) }
            try self.expect(try await self.names(database) == ["a"], "The next transaction was not one.")
        case .queryRefusesWrites:
            let code = await self.code {
                _ = try await database.query("INSERT INTO things (id, name, number) VALUES (1, 'a', 0) RETURNING id")
            }
            try self.expect(code == .readOnly, "A query that writes gave \(String(describing: code)).")
            try self.expect(try await self.names(database).isEmpty, "A query has written.")
        case .endedTransactionDoesNothing:
            let escaped = try await database.transaction { $0 }
            let code = await self.code { try await self.add(1, "a", escaped) }
            try self.expect(code == .transactionEnded, "A transaction that is over gave \(String(describing: code)).")
        case .concurrentCountersLoseNothing:
            try await database.transaction { try await self.add(1, "counter", $0) }
            let options = TransactionOptions(isolation: .repeatableRead, isRepeatable: true)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<10 {
                            try await database.transaction(options) { transaction in
                                let number: Int = try await transaction.query("SELECT number FROM things")[0].decode(0)
                                try await transaction.execute("UPDATE things SET number = \(number + 1)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let number: Int = try await database.query("SELECT number FROM things")[0].decode(0)
            try self.expect(number == 40, "Of 40 steps, \(number) were counted.")
        case .notificationsFollowCommits:
            let heard = database.notifications(on: "things \"odd\"")
            let (started, start) = AsyncStream.makeStream(of: Void.self)
            let listening = Task {
                var messages: [String] = []
                for await case .message(let text) in heard {
                    if text == "start" { start.finish() } else { messages.append(text) }
                    if text == "end" { break }
                }
                return messages
            }
            // The server listens on our behalf a moment later.
            let starting = Task {
                while !Task.isCancelled {
                    // One that fails is followed by others.
                    try? await database.transaction { try await $0.notify("things \"odd\"", payload: "start") }
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
            for await _ in started {}
            starting.cancel()
            await starting.value
            try? await database.transaction { transaction in
                try await transaction.notify("things \"odd\"", payload: "undone")
                throw Mishap()
            }
            for payload in ["a", "b", "end"] {
                try await database.transaction { try await $0.notify("things \"odd\"", payload: payload) }
            }
            let messages = await listening.value
            try self.expect(messages == ["a", "b", "end"], "What was heard: \(messages)")
        }
    }
}
