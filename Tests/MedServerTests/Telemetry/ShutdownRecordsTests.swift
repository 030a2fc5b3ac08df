// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedServer

@Suite struct ShutdownRecordsTests {
    private func count(_ trigger: String, _ outcome: String, _ count: Int) -> ShutdownRecords.Count {
        ShutdownRecords.Count(trigger: trigger, outcome: outcome, count: count)
    }

    @Test func `what is no longer among the last day's is nought, and not what it was`() {
        let merged = ShutdownRecords.Count.merge(
            [self.count("SIGTERM", "graceful", 2)],
            after: [
                self.count("SIGTERM", "graceful", 3), self.count("SIGTERM", "forced", 1),
                self.count("trap", "contained", 0),
            ])
        #expect(
            merged == [
                self.count("SIGTERM", "graceful", 2), self.count("SIGTERM", "forced", 0),
                self.count("trap", "contained", 0),
            ])
    }
}
