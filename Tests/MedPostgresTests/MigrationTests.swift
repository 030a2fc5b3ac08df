// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedPostgres
import MedStorage
import MedTesting
import Testing

@Suite struct MigrationTests {
    private static let first = Migration(
        version: 1, name: "notes", statements: ["CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT NOT NULL)"])

    private static func second(minCompatible: Int) -> Migration {
        Migration(
            version: 2, name: "authors", statements: ["ALTER TABLE notes ADD COLUMN author TEXT"],
            minCompatible: minCompatible)
    }

    @Test(arguments: [1, 2])
    func `the old program goes on beside the new one, if the new step says so`(minCompatible: Int) async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url, migrations: MigrationPlan([Self.first])) { old in
            try await old.transaction { try await $0.execute("INSERT INTO notes (id, body) VALUES (1, 'before')") }
            _ = try await old.query("SELECT * FROM notes")
            try await withDatabase(
                url, migrations: MigrationPlan([Self.first, Self.second(minCompatible: minCompatible)])
            ) { new in
                #expect(await new.settledCheck().status == .connected)
                let check = await old.settledCheck()
                #expect(check.status == (minCompatible == 1 ? .connected : .error))
                #expect(check.problem?.code == (minCompatible == 1 ? nil : .newerSchema))
                // What was prepared before the step works after it.
                try await old.transaction { try await $0.execute("INSERT INTO notes (id, body) VALUES (2, 'after')") }
                #expect(try await old.query("SELECT * FROM notes").count == 2)
            }
        }
    }

    @Test func `a step that waits for a lock does not hold up everybody else, and is tried again`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url, migrations: MigrationPlan([Self.first])) { old in
            let new = try makeDatabase(url, migrations: MigrationPlan([Self.first, Self.second(minCompatible: 1)]))
            try await new.open()
            let migrating: Task<MigrationReport, any Error>
            do {
                migrating = try await old.transaction { transaction in
                    _ = try await transaction.query("SELECT * FROM notes")
                    let migrating = Task { try await new.migrate() }
                    // It gives up after 5 seconds; until then, who comes later waits behind it.
                    try await Task.sleep(for: .seconds(6))
                    return migrating
                }
            }
            #expect(try await migrating.value == MigrationReport(applied: 1, version: 2))
            await new.close()
        }
    }

    @Test func `a changed step and a gap are refused`() async throws {
        let url = try await SharedServer.shared.createDatabase()
        try await withDatabase(url, migrations: MigrationPlan([Self.first])) { _ in }
        let changed = try makeDatabase(
            url, migrations: MigrationPlan([Migration(version: 1, name: "notes", statements: ["SELECT 1"])]))
        try await changed.open()
        #expect(await code { try await changed.migrate() } == .changedMigration)
        await changed.close()
    }

    @Test func `a step that fails leaves nothing behind`() async throws {
        let broken = Migration(
            version: 2, name: "broken", statements: ["CREATE TABLE half (id BIGINT)", "SELECT nonsense"])
        let url = try await SharedServer.shared.createDatabase()
        let database = try makeDatabase(url, migrations: MigrationPlan([Self.first, broken]))
        try await database.open()
        #expect(await code { try await database.migrate() } == .invalidStatement)
        #expect(try await database.query("SELECT to_regclass('half')::text")[0][0] == .null)
        #expect(try await database.migrationStatus().version == 1)
        #expect(await database.check().status == .error)
        await database.close()
    }
}
