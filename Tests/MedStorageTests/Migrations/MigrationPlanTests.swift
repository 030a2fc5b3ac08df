// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import Testing

@Suite struct MigrationPlanTests {
    private let first = Migration(version: 1, name: "first", statements: ["CREATE TABLE a (x)"])
    private let second = Migration(version: 2, name: "second", statements: ["CREATE TABLE b (x)"], minCompatible: 1)

    @Test func `the plan of MedBuilder is a sequence`() throws {
        _ = try MigrationPlan(MigrationPlan.medBuilder.migrations)
    }

    @Test func `a gap or a wrong start is refused with a sentence that names the step`() {
        #expect {
            try MigrationPlan([
                Migration(version: 1, name: "a", statements: []), Migration(version: 3, name: "c", statements: []),
            ])
        } throws: { error in
            (error as? DatabaseError)?.code == .invalidMigrations
                && "\(error)".contains("'c' has version 3 where 2 is due")
        }
    }

    @Test(arguments: [0, 2])
    func `a step cannot be compatible with less than version 1 or more than its own`(minCompatible: Int) {
        #expect(throws: DatabaseError.self) {
            try MigrationPlan([Migration(version: 1, name: "a", statements: [], minCompatible: minCompatible)])
        }
    }

    @Test func `what is pending follows what was applied`() throws {
        let plan = try MigrationPlan([self.first, self.second])
        #expect(try plan.pending(after: [], in: .sqlite).map(\.version) == [1, 2])
        #expect(try plan.pending(after: [applied(self.first)], in: .sqlite).map(\.version) == [2])
        #expect(try plan.pending(after: [applied(self.first), applied(self.second)], in: .sqlite).isEmpty)
    }

    @Test func `a database that lacks a step is older`() throws {
        let plan = try MigrationPlan([self.first, self.second])
        #expect(failure { try plan.verify([applied(self.first)], in: .sqlite) } == .olderSchema)
        #expect(failure { try plan.verify([applied(self.first), applied(self.second)], in: .sqlite) } == nil)
    }

    @Test func `a newer database fits as long as each newer step is compatible with this program`() throws {
        let plan = try MigrationPlan([self.first])
        let third = Migration(version: 3, name: "third", statements: [])
        #expect(failure { try plan.verify([applied(self.first), applied(self.second)], in: .sqlite) } == nil)
        #expect(
            failure { try plan.verify([applied(self.first), applied(self.second), applied(third)], in: .sqlite) }
                == .newerSchema)
    }

    @Test func `a changed step or a gap in the database is refused`() throws {
        let plan = try MigrationPlan([self.first, self.second])
        let changed = Migration(version: 1, name: "first", statements: ["CREATE TABLE a (y)"])
        #expect(failure { _ = try plan.pending(after: [applied(changed)], in: .sqlite) } == .changedMigration)
        #expect(failure { _ = try plan.pending(after: [applied(self.second)], in: .sqlite) } == .changedMigration)
    }

    @Test func `the checksum is FNV-1a, and text cannot move between statements unnoticed`() {
        #expect(Migration(version: 1, name: "", statements: []).checksum(for: .sqlite) == "af63bd4c8601b7df")
        let one = Migration(version: 1, name: "n", statements: ["ab", "c"])
        let other = Migration(version: 1, name: "n", statements: ["a", "bc"])
        #expect(one.checksum(for: .sqlite) != other.checksum(for: .sqlite))
    }

    private func failure(_ body: () throws -> Void) -> DatabaseError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? DatabaseError)?.code
        }
    }
}

private func applied(_ migration: Migration) -> AppliedMigration {
    AppliedMigration(
        version: migration.version,
        name: migration.name,
        checksum: migration.checksum(for: .sqlite),
        minCompatible: migration.minCompatible,
        appliedAt: nil
    )
}
