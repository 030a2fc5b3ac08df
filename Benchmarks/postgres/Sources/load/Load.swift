// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Logging
import MedPostgres
import MedSQLite
import MedStorage
import Synchronization

/// database-load MODE URL-OR-FILE NUMBER SECONDS: does one thing for that long, and prints how often a second, and how many
/// microseconds of processor time each took.
@main struct Load {
    typealias Statement = MedStorage.Statement

    static let quiet = Logger(label: "load") { _ in SwiftLogNoOpLogHandler() }

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let number = Int(arguments[3]), let seconds = Double(arguments[4]) else {
            fatalError("database-load MODE URL-OR-FILE NUMBER SECONDS")
        }
        switch arguments[1] {
        case "checkout": try await self.checkout(seconds)
        case "stream": try await self.stream(arguments[2], number)
        case "sqlite": try await self.sqlite(arguments[2], number, seconds)
        case "grdb": try await self.grdb(arguments[2], number, seconds)
        default: try await self.postgres(arguments[1], arguments[2], number, seconds)
        }
    }

    // MARK: Postgres

    static func postgres(_ mode: String, _ url: String, _ number: Int, _ seconds: Double) async throws {
        guard let location = PostgresLocation(url: url) else { fatalError("libpq does not take the URL.") }
        let suffix = "-on-executor"
        let isOnExecutor = mode.hasSuffix(suffix)
        let mode = isOnExecutor ? String(mode.dropLast(suffix.count)) : mode
        let callers = ["select", "insert", "insert-alone"].contains(mode) ? number : 1
        let database = PostgresDatabase(
            location: location, migrations: try MigrationPlan([]),
            configuration: PoolConfiguration(minimum: callers, maximum: callers, acquireTimeout: .seconds(60)),
            logger: quiet)
        try await database.open()
        // pgbench asks no kernel for its random numbers either (splitmix64).
        let seed = Atomic<UInt64>(UInt64.random(in: 0...(.max)))
        let key = { @Sendable () -> Int in
            var number = seed.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
            number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
            number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
            return 1 + Int((number ^ number >> 31) % 1_000_000)
        }
        try await self.measure(
            callers: callers, seconds: seconds, on: isOnExecutor ? database.taskExecutor : nil,
            each: ["pipeline", "copy"].contains(mode) ? number : 1
        ) {
            switch mode {
            case "select":
                let rows = try await database.query("SELECT abalance FROM pgbench_accounts WHERE aid = \(key())")
                precondition(rows.count == 1)
            case "insert-alone":
                try await database.execute(
                    "INSERT INTO bench_rows (number, value) VALUES (\(key()), \("some text of a row"))")
            case "insert":
                try await database.transaction { transaction in
                    try await transaction.execute(
                        "INSERT INTO bench_rows (number, value) VALUES (\(key()), \("some text of a row"))")
                }
            case "pipeline":
                try await database.transaction { transaction in
                    try await transaction.executeAll(
                        (0..<number).map {
                            "INSERT INTO bench_rows (number, value) VALUES (\($0), \("some text of a row"))"
                                as Statement
                        })
                }
            case "copy":
                try await database.transaction { transaction in
                    try await transaction.copy(
                        into: "bench_rows", columns: ["number", "value"],
                        rows: (0..<number).lazy.map { [.integer(Int64($0)), .text("some text of a row")] })
                }
            default: fatalError("No such mode: \(mode)")
            }
        }
        await database.close()
    }

    /// Reads a large result, and prints how many rows a second, and how many MB the process grew.
    static func stream(_ url: String, _ number: Int) async throws {
        guard let location = PostgresLocation(url: url) else { fatalError("libpq does not take the URL.") }
        let database = PostgresDatabase(location: location, migrations: try MigrationPlan([]), logger: quiet)
        try await database.open()
        _ = try await database.query("SELECT 1")
        let before = self.peakMegabytes()
        let start = ContinuousClock.now
        let count = try await database.stream("SELECT n, 'some text of a row' FROM generate_series(1, \(number)) AS n")
        { rows in
            var count = 0
            while try await rows.next() != nil { count += 1 }
            return count
        }
        precondition(count == number)
        print(Double(count) / ((ContinuousClock.now - start) / .seconds(1)), self.peakMegabytes() - before)
        await database.close()
    }

    /// The most memory that the process has had (getrusage(2), in KiB).
    static func peakMegabytes() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) / 1024
    }

    // MARK: The pool alone

    final class Nothing: PooledConnection {
        var isUsable: Bool { true }
        func ping() async {}
        func close() {}
    }

    static func checkout(_ seconds: Double) async throws {
        let pool = ConnectionPool(configuration: PoolConfiguration()) { () async throws(MedStorage.DatabaseError) in
            Nothing()
        }
        try await self.measure(callers: 1, seconds: seconds, each: 1000) {
            for _ in 0..<1000 {
                let connection = try await pool.acquire()
                pool.release(connection)
            }
        }
    }

    // MARK: SQLite

    static func sqlite(_ file: String, _ number: Int, _ seconds: Double) async throws {
        let plan = try MigrationPlan([
            Migration(version: 1, name: "rows", statements: ["CREATE TABLE bench_rows (number INTEGER, value TEXT)"])
        ])
        let database = SQLiteDatabase(path: file, createParentFolders: false, migrations: plan, logger: quiet)
        try await database.open()
        try await database.migrate()
        try await self.measure(callers: 1, seconds: seconds, each: number) {
            _ = try await database.transaction { transaction in
                try await transaction.executeAll(
                    (0..<number).map {
                        "INSERT INTO bench_rows (number, value) VALUES (\($0), \("some text of a row"))" as Statement
                    })
            }
        }
        await database.close()
    }

    static func grdb(_ file: String, _ number: Int, _ seconds: Double) async throws {
        let pool = try DatabasePool(path: file)
        try await pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL; CREATE TABLE bench_rows (number INTEGER, value TEXT)")
        }
        try await self.measure(callers: 1, seconds: seconds, each: number) {
            try await pool.write { db in
                let statement = try db.cachedStatement(sql: "INSERT INTO bench_rows (number, value) VALUES (?, ?)")
                for row in 0..<number { try statement.execute(arguments: [row, "some text of a row"]) }
            }
        }
        try pool.close()
    }

    // MARK: Measuring

    static func measure(
        callers: Int, seconds: Double, on executor: (any TaskExecutor)? = nil, each: Int,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        // Connections are made and statements prepared before the clock starts.
        try await self.repeated(callers, until: .now + .milliseconds(300), on: executor, body)
        let start = ContinuousClock.now
        let before = self.processorTime()
        let count = try await self.repeated(callers, until: start + .seconds(seconds), on: executor, body) * each
        let wall = (ContinuousClock.now - start) / .seconds(1)
        let processor = self.processorTime() - before
        print(Double(count) / wall, processor / Double(count) * 1_000_000)
    }

    @discardableResult
    static func repeated(
        _ callers: Int, until end: ContinuousClock.Instant, on executor: (any TaskExecutor)?,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<callers {
                group.addTask(executorPreference: executor) {
                    var count = 0
                    repeat {
                        try await body()
                        count += 1
                    } while ContinuousClock.now < end
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
    }

    static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
