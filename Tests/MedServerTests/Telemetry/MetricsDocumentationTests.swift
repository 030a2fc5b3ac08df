// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedServer
import Testing

@Suite struct MetricsDocumentationTests {
    @Test func `the table of metrics in the documents is that of the code`() throws {
        let table = try MetricsDocumentation.markdownTable()
        #expect(table.split(separator: "\n").allSatisfy { $0.count { $0 == "|" } == 6 })
        try GeneratedTable(name: "metrics", text: table).verify()
    }
}
