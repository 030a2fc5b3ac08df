// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedServer
import Testing

@Suite struct SettingsDatabaseTests {
    @Test(arguments: [
        ("sqlite:app.sqlite", "app.sqlite"), ("sqlite:/data/app.sqlite", "/data/app.sqlite"),
        ("sqlite:///data/app.sqlite", "///data/app.sqlite"), ("sqlite:with space.db", "with space.db"),
    ])
    func `what follows the scheme is the path`(url: String, path: String) throws {
        let settings = try SettingsFixture.load(["DATABASE_URL": url])
        #expect(settings.database.location == .sqlite(path: path, isDefault: false))
    }

    @Test(arguments: ["./.medbuilder/medbuilder.sqlite", ".medbuilder/medbuilder.sqlite"])
    func `naming the default file is the default file, migrations included`(path: String) throws {
        let settings = try SettingsFixture.load(
            SettingsFixture.deployed("production", ["DATABASE_URL": "sqlite:\(path)"]))
        #expect(settings.database.location == .sqlite(path: path, isDefault: true))
        #expect(settings.database.migration == .auto)
    }

    @Test(arguments: [
        ("mysql://u:hunter2@db/app", "it must be sqlite:PATH, or postgres:// with what libpq takes"),
        ("hunter2", "it must be sqlite:PATH, or postgres:// with what libpq takes"),
        ("sqlite:", "it must name a file: sqlite:PATH"), ("sqlite::memory:", "it must name a file: sqlite:PATH"),
        ("sqlite://hunter2.db", "it must be sqlite:PATH, without // before the path"),
    ])
    func `another database is refused without repeating the URL`(url: String, reason: String) throws {
        #expect(
            try SettingsFixture.mistakes(["DATABASE_URL": url]) == [
                "database.url (from DATABASE_URL) is refused: \(reason)."
            ]
        )
    }

    @Test(arguments: ["postgres", "postgresql"])
    func `a Postgres server is named by its URL, and a way past its pooler by another`(scheme: String) throws {
        let url = "\(scheme)://u:hunter2@db/app"
        let location = try SettingsFixture.load(["DATABASE_URL": url]).database.location
        #expect(location == .postgres(url: url, direct: nil))
        let both = try SettingsFixture.load(["DATABASE_URL": url, "DATABASE_DIRECT_URL": "postgres://u@direct/app"])
        #expect(both.database.location == .postgres(url: url, direct: "postgres://u@direct/app"))
        #expect(try SettingsFixture.mistakes(["DATABASE_URL": url, "DATABASE_DIRECT_URL": "hunter2"]).count == 1)
        for settings in [both] { #expect(!settings.inForce.contains { $0.text.contains("hunter2") }) }
    }

    @Test func `serve migrates by itself in development and test, and elsewhere only if told`() throws {
        let own = ["DATABASE_URL": "sqlite:/data/app.sqlite"]
        #expect(try SettingsFixture.load(own).database.migration == .auto)
        #expect(try SettingsFixture.load(own.merging(["APP_ENV": "test"]) { $1 }).database.migration == .auto)
        #expect(try SettingsFixture.load(["DATABASE_MIGRATE": "off"]).database.migration == .off)
        for environment in ["staging", "production"] {
            #expect(try SettingsFixture.load(SettingsFixture.deployed(environment)).database.migration == .off)
            let told = SettingsFixture.deployed(environment, ["DATABASE_MIGRATE": "auto"])
            #expect(try SettingsFixture.load(told).database.migration == .auto)
        }
    }
}
