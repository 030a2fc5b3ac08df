// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedServer
import Testing

@Suite struct SettingsDocumentationTests {
    @Test func `the table of settings in the documents is that of the code`() throws {
        try GeneratedTable(name: "settings", text: SettingsDocumentation.markdownTable()).verify()
    }

    @Test func `the table has a row of as many cells for each setting, and no secret as an option`() {
        let lines = SettingsDocumentation.markdownTable().split(separator: "\n")
        #expect(lines.count == Setting.all.count + 2)
        #expect(lines.allSatisfy { $0.count { $0 == "|" } == 7 })
        #expect(!lines.contains { $0.contains("--phi-encryption-key") || $0.contains("--database-url") })
    }
}
