// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import MedTesting
import Testing

@Suite struct ConformanceTests {
    @Test(arguments: DatabaseConformance.Case.allCases)
    func `PostgreSQL keeps what a database promises`(promise: DatabaseConformance.Case) async throws {
        let suite = DatabaseConformance {
            try makeDatabase(try await SharedServer.shared.createDatabase(), migrations: $0)
        }
        try await suite.check(promise)
    }
}
