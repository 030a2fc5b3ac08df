// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedServer
import Testing

@Suite struct SettingsTableTests {
    @Test func `the table has a row for each setting, in columns`() throws {
        let lines = try SettingsFixture.load(["PORT": "80"]).table().split(separator: "\n")
        #expect(lines.count == Setting.all.count + 1)
        #expect(lines[0].split(separator: " ") == ["KEY", "ENVIRONMENT", "VALUE", "ORIGIN", "DEFAULT", "MEANING"])
        let meaning = try #require(lines[0].firstRange(of: "MEANING")).lowerBound
        let column = lines[0].distance(from: lines[0].startIndex, to: meaning)
        for (line, setting) in zip(lines.dropFirst(), Setting.all) {
            #expect(line.hasPrefix(setting.key + " "))
            #expect(line.dropFirst(column) == setting.meaning)
        }
        #expect(lines[2].split(separator: " ").prefix(5) == ["port", "PORT", "80", "environment", "5000"])
    }

    @Test func `defaults that depend on others are shown as they turned out`() throws {
        let rows = try SettingsFixture.load(SettingsFixture.deployed("production")).inForce
        let texts = Dictionary(uniqueKeysWithValues: rows.map { ($0.setting.key, $0.text) })
        #expect(texts["log.format"] == "json")
        #expect(texts["database.migrate"] == "off")
    }

    @Test func `a secret is only said to be set or not`() throws {
        let secrets = ["PHI_ENCRYPTION_KEY": SettingsFixture.key, "DATABASE_URL": "sqlite:hunter2.sqlite"]
        let set = try SettingsFixture.load(secrets)
        #expect(!set.table().contains(SettingsFixture.key))
        #expect(!set.table().contains("hunter2"))
        #expect(set.inForce.filter(\.setting.isSecret).map(\.text) == ["(not set)", "(set)", "(not set)", "(set)"])
        #expect(
            try SettingsFixture.load().inForce.filter(\.setting.isSecret).map(\.text) == [
                "(not set)", "(not set)", "(not set)", "(not set)",
            ])
    }

    @Test func `the key does not print, whatever the settings are printed with`() throws {
        let settings = try SettingsFixture.load(["PHI_ENCRYPTION_KEY": SettingsFixture.key])
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!dumped.contains(SettingsFixture.key))
        #expect(!"\(settings)".contains(SettingsFixture.key))
    }

    @Test func `a value cannot break the table or reach the terminal`() throws {
        let settings = try SettingsFixture.load(["MEDBUILDER_STATE_DIR": "a\n\u{1B}[31mb"])
        #expect(settings.stateDirectory == "a\n\u{1B}[31mb")
        #expect(settings.table().contains("a\\n\\u{1B}[31mb"))
    }
}
