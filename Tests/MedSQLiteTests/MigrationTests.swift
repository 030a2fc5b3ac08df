// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedSQLite
import MedStorage
import Testing

@Suite struct MigrationTests {
    private let folder: TemporaryFolder
    private var path: String { self.folder.file("med.sqlite") }

    init() throws {
        self.folder = try TemporaryFolder()
    }

    private static let first = MigrationPlan.medBuilder.migrations[0]

    /// The schema before the second step.
    private static func old() throws -> MigrationPlan { try MigrationPlan([self.first]) }

    private static func plan(second: [String], minCompatible: Int? = nil) throws -> MigrationPlan {
        try MigrationPlan([
            self.first,
            Migration(version: 2, name: "second", statements: second, minCompatible: minCompatible),
        ])
    }

    @Test func `a migration is applied once and remembered`() async throws {
        let database = makeDatabase(self.path, migrations: try Self.old())
        try await database.open()
        #expect(await code { try await database.verifySchema() } == .olderSchema)
        #expect(await database.check().problem?.code == .olderSchema)
        #expect(try await database.migrate() == MigrationReport(applied: 1, version: 1))
        #expect(try await database.migrate() == MigrationReport(applied: 0, version: 1))
        try await database.verifySchema()
        let rows = try await database.query(
            "SELECT version, name, checksum, min_compatible, applied_at FROM medbuilder_migrations")
        #expect(rows.count == 1)
        let moment = try #require(try await database.migrationStatus().applied.first?.appliedAt?.date)
        #expect(abs(moment.timeIntervalSinceNow) < 3600)
        #expect(
            rows[0].values.prefix(4) == [
                .integer(1), .text("drill rows"), .text(Self.first.checksum(for: .sqlite)), .integer(1),
            ])
        await database.close()
    }

    @Test func `a start is disconnected, not broken, until the schema is known`() async throws {
        let database = makeDatabase(self.path)
        #expect(await database.check() == DatabaseCheck(status: .disconnected, responseTime: nil))
        try await database.open()
        #expect(await database.check() == DatabaseCheck(status: .disconnected, responseTime: nil))
        try await database.migrate()
        #expect(await database.check().status == .connected)
        await database.closeToTheEnd()
        #expect(await database.check() == DatabaseCheck(status: .disconnected, responseTime: nil))
    }

    @Test func `a migration that fails leaves nothing of itself, and the ones before it stay`() async throws {
        let plan = try Self.plan(second: ["CREATE TABLE good (x)", "CREATE TABLE bad ("])
        let database = makeDatabase(self.path, migrations: plan)
        #expect(await database.startFailure()?.code == .invalidStatement)
        #expect(await database.check().status == .error)
        await database.closeToTheEnd()
        try await withDatabase(self.path, migrations: Self.old()) { database in
            try await database.insert("a")
            #expect(await code { _ = try await database.query("SELECT * FROM good") } == .invalidStatement)
        }
    }

    @Test func `an interruption ends a migration that is running, and nothing of it stays`() async throws {
        let endless =
            "CREATE TABLE good AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
        let database = makeDatabase(self.path, migrations: try Self.plan(second: [endless]))
        async let failure = database.startFailure()
        while await code({ _ = try await database.rowCount() }) != nil { try await Task.sleep(for: .milliseconds(1)) }
        try await Task.sleep(for: .milliseconds(50))
        // More than once: one that comes between two statements ends neither.
        let interrupting = Task {
            while !Task.isCancelled {
                database.interrupt()
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
        #expect(await failure?.code == .cancelled)
        interrupting.cancel()
        await interrupting.value
        #expect(await code { try await database.migrate() } == .cancelled)
        await database.closeToTheEnd()
        try await withDatabase(self.path, migrations: Self.old()) { try await $0.insert("a") }
    }

    @Test func `an older program works beside a newer schema that is compatible with it`() async throws {
        try await withDatabase(self.path, migrations: Self.plan(second: ["CREATE TABLE good (x)"], minCompatible: 1)) {
            _ in
        }
        try await withDatabase(self.path, migrations: Self.old()) { database in
            let report = try await database.migrate()
            #expect(report == MigrationReport(applied: 0, version: 2))
            #expect(await database.check().status == .connected)
        }
    }

    @Test func `an older program refuses a newer schema that is not`() async throws {
        try await withDatabase(self.path, migrations: Self.plan(second: ["CREATE TABLE good (x)"])) { _ in }
        let database = makeDatabase(self.path, migrations: try Self.old())
        #expect(await database.startFailure()?.code == .newerSchema)
        #expect(await code { try await database.verifySchema() } == .newerSchema)
        let check = await database.check()
        #expect(check.status == .error)
        #expect(check.problem?.description.contains(self.path) == true)
        await database.close()
    }

    @Test func `a changed migration and a gap are refused`() async throws {
        try await withDatabase(self.path, migrations: Self.old()) { database in
            try await database.transaction { transaction in
                try await transaction.execute("UPDATE medbuilder_migrations SET checksum = 'other'")
            }
            #expect(await database.check().problem?.code == .changedMigration)
            #expect(await code { try await database.migrate() } == .changedMigration)
            try await database.transaction { transaction in
                try await transaction.execute("UPDATE medbuilder_migrations SET version = 2")
            }
            #expect(await code { try await database.migrate() } == .changedMigration)
        }
    }

    @Test(.enabled(if: OtherProcess.isAvailable, "needs the sqlite3 shell"))
    func `a migration waits for a writer elsewhere, and a start without one does not`() async throws {
        try await withDatabase(self.path, migrations: Self.old()) { _ in }
        let other = try OtherProcess(
            self.path, keeping: "INSERT INTO drill_rows (value) VALUES ('a'); BEGIN IMMEDIATE;")
        try await withDatabase(self.path, migrations: Self.old()) { _ in }
        let newer = makeDatabase(self.path, migrations: try Self.plan(second: ["CREATE TABLE good (x)"]))
        #expect(await newer.startFailure()?.code == .locked)
        try other.end()
        #expect(await newer.startFailure() == nil)
        await newer.close()
    }
}
