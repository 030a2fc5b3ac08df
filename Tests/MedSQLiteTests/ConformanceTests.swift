// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedSQLite
import MedStorage
import MedTesting
import Testing

@Suite struct ConformanceTests {
    @Test(arguments: DatabaseConformance.Case.allCases)
    func `SQLite keeps what a database promises`(promise: DatabaseConformance.Case) async throws {
        let folder = try TemporaryFolder()
        let suite = DatabaseConformance { makeDatabase(folder.file("med.sqlite"), migrations: $0) }
        try await suite.check(promise)
    }
}
