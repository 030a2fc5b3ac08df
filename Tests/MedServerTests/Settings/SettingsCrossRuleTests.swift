// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedServer
import Testing

@Suite struct SettingsCrossRuleTests {
    @Test(arguments: ["staging", "production"])
    func `a deployed server needs a database and a key of its own`(environment: String) throws {
        #expect(
            try SettingsFixture.mistakes(["APP_ENV": environment]) == [
                "database.url (DATABASE_URL) is not set; in \(environment) it must be.",
                "phi.encryptionKey (PHI_ENCRYPTION_KEY) is not set; in \(environment) it must be.",
            ]
        )
        #expect(try SettingsFixture.mistakes(SettingsFixture.deployed(environment)) == [])
    }

    @Test(arguments: ["staging", "production"])
    func `a deployed server encrypts`(environment: String) throws {
        let mistakes = try SettingsFixture.mistakes(SettingsFixture.deployed(environment, ["PHI_ENCRYPTION": "off"]))
        #expect(mistakes == ["phi.encryption is \"off\" (from PHI_ENCRYPTION); it must be on in \(environment)."])
    }

    @Test(arguments: ["development", "test"])
    func `encryption may be off where there is no real data`(environment: String) throws {
        #expect(try !SettingsFixture.load(["APP_ENV": environment, "PHI_ENCRYPTION": "off"]).encryption.isOn)
    }

    @Test func `drill routes are refused in production and nowhere else`() throws {
        let drill = ["DRILL_ROUTES": "on"]
        #expect(
            try SettingsFixture.mistakes(SettingsFixture.deployed("production", drill))
                == ["drill.routes is \"on\" (from DRILL_ROUTES); it must be off in production."]
        )
        #expect(try SettingsFixture.load(SettingsFixture.deployed("staging", drill)).drill.routes)
        #expect(try SettingsFixture.load(["APP_ENV": "test", "DRILL_ROUTES": "on"]).drill.routes)
    }

    @Test func `a late start is refused in production and nowhere else`() throws {
        let drill = ["DRILL_START_DELAY_SECONDS": "0.5"]
        #expect(
            try SettingsFixture.mistakes(SettingsFixture.deployed("production", drill))
                == [
                    "drill.startDelaySeconds is \"0.5\" (from DRILL_START_DELAY_SECONDS); it must be 0 in production."
                ]
        )
        let staging = try SettingsFixture.load(SettingsFixture.deployed("staging", drill))
        #expect(staging.drill.startDelay == .milliseconds(500))
    }

    @Test(arguments: [
        ("Zm9v", "3 bytes"), ("not base64!", "not base64"), (SettingsFixture.key + " ", "not base64"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "one byte repeated"),
    ])
    func `a key that is none is among the mistakes and never shown`(key: String, reason: String) throws {
        let mistakes = try SettingsFixture.mistakes(["PHI_ENCRYPTION_KEY": key, "PORT": "x"])
        #expect(mistakes.count == 2)
        #expect(mistakes[1].hasPrefix("phi.encryptionKey (from PHI_ENCRYPTION_KEY) is refused: The PHI key is "))
        #expect(mistakes[1].contains(reason))
        #expect(!mistakes[1].contains(key))
        #expect(!mistakes[1].hasSuffix(".."))
    }

    @Test func `drain delay and grace must be below the deadline`() throws {
        #expect(
            try SettingsFixture.mistakes(
                ["SHUTDOWN_GRACE_SECONDS": "29.5"], arguments: ["--shutdown-drain-delay-seconds=0.5"])
                == [
                    "shutdown.drainDelaySeconds (0.5, from --shutdown-drain-delay-seconds) and shutdown.graceSeconds "
                        + "(29.5, from SHUTDOWN_GRACE_SECONDS) are 30 together; they must be below "
                        + "shutdown.deadlineSeconds (30, from the default)."
                ]
        )
        #expect(try SettingsFixture.mistakes(["SHUTDOWN_GRACE_SECONDS": "29.999"]) == [])
    }

    @Test func `rules between settings wait until each of them is right`() throws {
        let shutdown = ["SHUTDOWN_GRACE_SECONDS": "40", "SHUTDOWN_DEADLINE_SECONDS": "60s"]
        #expect(try SettingsFixture.mistakes(shutdown).count == 1)
        #expect(
            try SettingsFixture.mistakes(["APP_ENV": "prod", "DRILL_ROUTES": "on", "PHI_ENCRYPTION": "off"]).count == 1)
        #expect(
            try SettingsFixture.mistakes(["APP_ENV": "staging", "DATABASE_URL": "x", "PHI_ENCRYPTION_KEY": "x"]).count
                == 2)
    }
}
