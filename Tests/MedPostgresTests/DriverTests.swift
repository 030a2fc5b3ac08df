// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedPostgres
import MedStorage
import MedTesting
import Testing

@Suite struct DriverTests {
    private struct Mishap: Error {}

    @Test func `a transaction is committed when its closure returns, and undone when it throws`() async throws {
        try await withDatabase { database in
            let changed = try await database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('a'), ('b')")
                return try await transaction.execute("UPDATE drill_rows SET value = \("c") WHERE value = \("a")")
            }
            #expect(changed == 1)
            await #expect(throws: Mishap.self) {
                try await database.transaction { transaction in
                    try await transaction.execute("DELETE FROM drill_rows")
                    throw Mishap()
                }
            }
            #expect(
                try await database.query("SELECT value FROM drill_rows ORDER BY value").map { $0[0] } == [
                    .text("b"), .text("c"),
                ])
        }
    }

    @Test func `an observer hears of every statement, and not of its values`() async throws {
        let observer = RecordingObserver()
        try await withDatabase(observer: observer) { database in
            let records = try await observer.exercise(database)
            #expect(records == RecordingObserver.exercise)
        }
    }

    @Test func `a cancelled statement ends at once, and its connection is used again`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url) { watcher in
            let single = PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))
            try await withDatabase(url, configuration: single) { database in
                var isUsedAgain = false
                // On a busy machine, the server may be so late once that the connection is given up.
                for _ in 0..<5 where !isUsedAgain {
                    let process: Int = try await database.transaction {
                        try await $0.query("SELECT pg_backend_pid()")[0].decode(0)
                    }
                    let task = Task { _ = try await database.query("SELECT pg_sleep(60)") }
                    while try await watcher.query(
                        """
                        SELECT pid FROM pg_stat_activity
                        WHERE query = 'SELECT pg_sleep(60)' AND state = 'active' AND datname = current_database()
                        """
                    ).isEmpty {
                        try await Task.sleep(for: .milliseconds(10))
                    }
                    task.cancel()
                    await #expect(throws: CancellationError.self) { try await task.value }
                    let later: Int = try await database.transaction {
                        try await $0.query("SELECT pg_backend_pid()")[0].decode(0)
                    }
                    isUsedAgain = process == later
                }
                #expect(isUsedAgain)
            }
        }
    }

    @Test func `cancelled at any moment, no connection is lost and none is in a state that nobody knows`() async throws
    {
        try await withDatabase(configuration: PoolConfiguration(maximum: 3, acquireTimeout: .seconds(60))) { database in
            for round in 0..<200 {
                let task = Task {
                    try await database.transaction { transaction in
                        try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\("\(round)"))")
                        _ = try await transaction.query("SELECT count(*) FROM drill_rows")
                    }
                }
                try await Task.sleep(for: .microseconds(round * 20))
                task.cancel()
                _ = await task.result
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<9 {
                    group.addTask {
                        try await database.transaction { transaction in
                            let open = try await transaction.query("SELECT count(*) FROM drill_rows WHERE value = 'x'")
                            #expect(open[0][0] == .integer(0))
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(database.statistics.busy == 0)
        }
    }

    @Test func `a thousand transactions share ten connections`() async throws {
        try await withDatabase(
            configuration: PoolConfiguration(maximum: 10, acquireTimeout: .seconds(60))
        ) { database in
            try await database.transaction { try await $0.execute("CREATE TABLE counter AS SELECT 0 AS number") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<1000 {
                    group.addTask {
                        _ = try await database.transaction { transaction in
                            try await transaction.execute("UPDATE counter SET number = number + 1")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.query("SELECT number FROM counter")[0].decode(0) == 1000)
            let count: () async throws -> Int = {
                try await database.query(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND backend_type = 'client backend'
                    """)[0].decode(0)
            }
            // The one that migrated may still be on its way out.
            let found = try await settled(count) { $0 <= 11 }
            #expect(found <= 11)
        }
    }

    @Test func `serializable transactions that collide are run again`() async throws {
        try await withDatabase { database in
            try await database.transaction { try await $0.execute("CREATE TABLE counter AS SELECT 0 AS number") }
            let options = TransactionOptions(isolation: .serializable, isRepeatable: true)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<10 {
                            try await database.transaction(options) { transaction in
                                let number: Int = try await transaction.query("SELECT number FROM counter")[0].decode(0)
                                try await transaction.execute("UPDATE counter SET number = \(number + 1)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.query("SELECT number FROM counter")[0].decode(0) == 40)
        }
    }

    @Test func `a transaction that begins with its first statement is one all the same`() async throws {
        try await withDatabase(configuration: PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))) { database in
            let insert: @Sendable (String) -> Statement = { "INSERT INTO drill_rows (value) VALUES (\($0))" }
            let isolation: Statement =
                "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')"
            let serializable = TransactionOptions(isolation: .serializable, isReadOnly: true)
            // The first time, statements are prepared; the second time, the transaction begins with them.
            for _ in 0..<2 {
                try await database.transaction { _ = try await $0.execute(insert("kept")) }
                let text: String = try await database.transaction(serializable) {
                    try await $0.query(isolation)[0].decode(0)
                }
                #expect(text == "serializableon")
            }
            let undone = await code {
                try await database.transaction { transaction in
                    _ = try await transaction.execute(insert("undone"))
                    throw DatabaseError(code: .other, description: "Enough.")
                }
            }
            #expect(undone == .other)
            // An error of the first statement is one of the transaction, and what cannot be sent is none.
            let failing: Statement = "SELECT 1 / (count(*) - count(*)) FROM drill_rows"
            for _ in 0..<2 {
                let swallowed = await code {
                    try await database.transaction { transaction in
                        _ = try? await transaction.query(failing)
                        _ = try await transaction.execute(insert("undone"))
                    }
                }
                #expect(swallowed != nil)
            }
            let number: @Sendable (SQLValue) -> Statement = { "SELECT \($0)::integer + 1" }
            for _ in 0..<2 {
                try await database.transaction { transaction in
                    let two: Int = try await transaction.query(number(.integer(1)))[0].decode(0)
                    #expect(two == 2)
                }
                try await database.transaction { transaction in
                    let refused = await code { _ = try await transaction.query(number(.integer(.max))) }
                    #expect(refused != nil)
                    try? await transaction.notify("nobody", payload: "")
                }
            }
            try await database.transaction { _ in }
            try await database.transaction { transaction in
                _ = try await transaction.execute(insert("kept"))
                try? await transaction.savepoint {
                    _ = try await transaction.execute(insert("undone"))
                    throw CancellationError()
                }
            }
            let values = try await database.query("SELECT value FROM drill_rows ORDER BY value")
            #expect(try values.map { try $0.decode(0, as: String.self) } == ["kept", "kept", "kept"])
        }
    }

    @Test func `statements go in one pipeline, and the first error ends it`() async throws {
        try await withDatabase { database in
            let counts = try await database.transaction { transaction in
                try await transaction.executeAll(
                    (0..<2500).map { "INSERT INTO drill_rows (value) VALUES (\("row \($0)"))" })
            }
            #expect(counts == [Int](repeating: 1, count: 2500))
            let code = await code {
                _ = try await database.transaction { transaction in
                    try await transaction.executeAll([
                        "INSERT INTO drill_rows (value) VALUES ('more')",
                        "INSERT INTO drill_rows (value) VALUES (NULL)",
                        "INSERT INTO drill_rows (value) VALUES ('never')",
                    ])
                }
            }
            #expect(code == .constraint)
            #expect(try await database.query("SELECT count(*) FROM drill_rows")[0].decode(0) == 2500)
        }
    }

    @Test func `rows are copied in, and what looks like the format itself is only text`() async throws {
        let values = ["plain", "tab\tnew\nline\\N", "\\.", "", "ü🩺"]
        try await withDatabase { database in
            let count = try await database.transaction { transaction in
                try await transaction.copy(
                    into: "drill_rows", columns: ["id", "value"],
                    rows: (0..<20_000).map { [.integer(Int64($0)), .text(values[$0 % values.count])] })
            }
            #expect(count == 20_000)
            let rows = try await database.query("SELECT value FROM drill_rows ORDER BY id LIMIT 5")
            #expect(try rows.map { try $0.decode(0, as: String.self) } == values)
            try await database.transaction { transaction in
                try await transaction.execute("CREATE TABLE numbers (number BIGINT)")
                try await transaction.copy(
                    into: "numbers", columns: ["number"],
                    rows: [.min, -10, -1, 0, 9, 10, .max].map { [.integer($0)] })
            }
            let numbers = try await database.query("SELECT number FROM numbers ORDER BY number")
            #expect(try numbers.map { try $0.decode(0, as: Int64.self) } == [.min, -10, -1, 0, 9, 10, .max])
            // One that fails on our side, and one on the server's: the connection is fine after both.
            for row: [SQLValue] in [[.integer(1)], [.integer(1), .text("twice")]] {
                let code = await code {
                    _ = try await database.transaction { transaction in
                        try await transaction.copy(into: "drill_rows", columns: ["id", "value"], rows: [row])
                    }
                }
                #expect(code == .unexpectedValue || code == .constraint)
            }
            #expect(try await database.query("SELECT count(*) FROM drill_rows")[0].decode(0) == 20_000)
        }
    }

    @Test func `a large result is streamed in batches, and can be left early`() async throws {
        try await withDatabase(configuration: PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))) { database in
            let sum = try await database.stream("SELECT * FROM generate_series(1, \(200_000)) AS number") { rows in
                var sum = 0
                while let row = try await rows.next() { sum += try row.decode(0, as: Int.self) }
                return sum
            }
            #expect(sum == 200_000 * 200_001 / 2)
            try await database.transaction { transaction in
                let first = try await transaction.stream("SELECT * FROM generate_series(1, 1000000)") { rows in
                    try await rows.next()
                }
                #expect(first?[0] == .integer(1))
                #expect(try await transaction.query("SELECT 1")[0][0] == .integer(1))
            }
        }
    }

    @Test func `a savepoint undoes its part alone`() async throws {
        try await withDatabase { database in
            try await database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('kept')")
                await #expect(throws: DatabaseError.self) {
                    try await transaction.savepoint {
                        try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('undone')")
                        try await transaction.execute("INSERT INTO drill_rows (value) VALUES (NULL)")
                    }
                }
                try await transaction.savepoint {
                    _ = try await transaction.execute("INSERT INTO drill_rows (value) VALUES ('kept too')")
                }
            }
            let rows = try await database.query("SELECT value FROM drill_rows ORDER BY id")
            #expect(rows.map { $0[0] } == [.text("kept"), .text("kept too")])
        }
    }

    @Test func `a transaction that is over does nothing more`() async throws {
        try await withDatabase { database in
            let escaped = try await database.transaction { $0 }
            #expect(await code { try await escaped.execute("DELETE FROM drill_rows") } == .transactionEnded)
        }
    }

    @Test func `what is prepared survives a change of the schema`() async throws {
        try await withDatabase(configuration: PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))) { database in
            for _ in 0..<2 { _ = try await database.query("SELECT * FROM drill_rows") }
            try await database.transaction { try await $0.execute("ALTER TABLE drill_rows ADD COLUMN more INTEGER") }
            #expect(try await database.query("SELECT * FROM drill_rows").isEmpty)
            for number in 0..<600 { _ = try await database.query(Statement(prefix: "/* \(number) */ ", "SELECT 1")) }
            let count = try await database.query("SELECT count(*) FROM pg_prepared_statements")
            #expect(try count[0].decode(0, as: Int.self) <= 257)
        }
    }

    @Test func `what is prepared survives it where the server's errors tell of parameters`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        _ = try await withDatabase(url) { database in
            try await database.execute(
                """
                DO 'BEGIN EXECUTE format(
                    ''ALTER DATABASE %I SET log_parameter_max_length_on_error = 100'', current_database()); END'
                """)
        }
        try await withDatabase(url, configuration: PoolConfiguration(maximum: 1, acquireTimeout: .seconds(60))) {
            database in
            let shown = try await database.query("SHOW log_parameter_max_length_on_error")[0].decode(0, as: String.self)
            #expect(shown != "0")
            let ask = { try await database.query("SELECT * FROM drill_rows WHERE value = \("a")") }
            for _ in 0..<2 { _ = try await ask() }
            try await database.transaction { try await $0.execute("ALTER TABLE drill_rows ADD COLUMN more INTEGER") }
            #expect(try await ask().isEmpty)
        }
    }

    @Test func `a statement that takes too long is ended by the server, and by us if the server is silent`()
        async throws
    {
        // It holds for what the start asks as well, which takes a while on a busy machine.
        let limits = PostgresLimits(statement: .seconds(3), connect: .seconds(30))
        try await withDatabase(limits: limits) { database in
            #expect(await code { _ = try await database.query("SELECT pg_sleep(60)") } == .timeout)
            try await database.transaction(TransactionOptions(statementTimeout: .seconds(60))) { transaction in
                _ = try await transaction.query("SELECT pg_sleep(4)")
            }
            #expect(try await database.query("SELECT 1")[0].decode(0) == 1)
        }
    }
}
