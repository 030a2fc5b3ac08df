// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedServer
import Testing

@Suite struct SettingsReaderTests {
    @Test func `a file beats the environment, and an option beats both`() throws {
        let environment = ["PORT": "1", "HOST": "a", "LOG_LEVEL": "debug"]
        let settings = try SettingsFixture.load(environment, file: "port: 2\nhost: b\n", arguments: ["--port", "3"])
        #expect(settings.port == 3)
        #expect(settings.host == "b")
        #expect("\(settings.log.levels)" == "debug")
    }

    @Test func `every setting says where it came from`() throws {
        let settings = try SettingsFixture.load(
            ["HOST": "a"], file: "# comment\nlog.level: debug\n", arguments: ["--port", "3"])
        let origins = Dictionary(uniqueKeysWithValues: settings.inForce.map { ($0.setting.key, $0.origin.text) })
        #expect(origins["port"] == "option")
        #expect(origins["host"] == "environment")
        #expect(origins["log.level"]?.hasSuffix("/settings.yaml line 2") == true)
        #expect(origins["log.format"] == "default")
    }

    @Test func `a value that a stronger source replaces is not checked`() throws {
        #expect(try SettingsFixture.load(["PORT": "x"], file: "port: 2").port == 2)
        #expect(try SettingsFixture.load(file: "port: 99999", arguments: ["--port=3"]).port == 3)
    }

    @Test func `an empty value in a file or an option is a mistake`() throws {
        let rule = "it must be an IP address or a host name, without a port."
        #expect(try SettingsFixture.mistakes(file: "host: ''") == ["host is \"\" (from settings.yaml line 1); \(rule)"])
        #expect(try SettingsFixture.mistakes(arguments: ["--host="]) == ["host is \"\" (from --host); \(rule)"])
        #expect(try SettingsFixture.mistakes(file: #"{"medbuilder.stateDir": ""}"#).count == 1)
    }

    @Test func `a zero byte, which would end a path early, is refused`() throws {
        #expect(
            try SettingsFixture.mistakes(file: #"medbuilder.stateDir: "/a\0b""#)
                == ["medbuilder.stateDir is \"/a\\0b\" (from settings.yaml line 1); it must be the path of a folder."]
        )
    }

    /// A value that is not the default, for each setting.
    private static let others = [
        "app.env": "test", "port": "1", "host": "a", "database.url": "sqlite:a", "database.migrate": "off",
        "phi.encryptionKey": SettingsFixture.key, "phi.encryption": "off", "medbuilder.stateDir": "a",
        "log.level": "error", "log.spillFile": "s", "metrics": "off", "management.token": "0123456789abcdef",
        "log.format": "json", "shutdown.drainDelaySeconds": "1", "shutdown.graceSeconds": "1",
        "shutdown.deadlineSeconds": "9", "http.headerTimeoutSeconds": "1", "http.idleTimeoutSeconds": "1",
        "http.maxConnections": "1", "drill.routes": "on",
        "live.stallSeconds": "20", "medbuilder.traps": "off", "drill.start": "trap", "drill.cleanUpSeconds": "1",
        "drill.startDelaySeconds": "1",
        "management.port": "1", "tls.certificateFile": "c", "tls.keyFile": "k", "tls.clientCaFile": "a",
        "tls.clientCertificate": "required", "health.allow": "10.0.0.0/8", "trusted.proxies": "10.0.0.1",
        "http.bodyTimeoutSeconds": "1", "http.maxRequestsPerConnection": "1", "http.maxHeaderBytes": "2000",
        "http.maxBodyBytes": "1",
        "database.directUrl": "postgres://a", "database.tls": "insecure", "database.poolSize": "7",
    ]

    /// What a setting cannot be without, by environment names.
    private static let companions = [
        "tls.certificateFile": ["TLS_KEY_FILE": "k"],
        "tls.keyFile": ["TLS_CERTIFICATE_FILE": "c"],
        "tls.clientCaFile": ["TLS_CERTIFICATE_FILE": "c", "TLS_KEY_FILE": "k"],
        "tls.clientCertificate": ["TLS_CERTIFICATE_FILE": "c", "TLS_KEY_FILE": "k", "TLS_CLIENT_CA_FILE": "a"],
    ]

    @Test(arguments: Setting.all.map(\.key))
    func `each setting is read from its environment variable, its key and its option`(key: String) throws {
        let setting = try #require(Setting.all.first { $0.key == key })
        let value = try #require(Self.others[key])
        func row(_ settings: Settings) throws -> SettingInForce {
            try #require(settings.inForce.first { $0.setting == setting })
        }

        // The variable is looked up by swift-configuration, which derives its name from the key.
        let others = Self.companions[key] ?? [:]
        let environment = others.merging([setting.environmentName: value]) { $1 }
        #expect(try row(SettingsFixture.load(environment)).origin == .environment)
        #expect(try row(SettingsFixture.load(others, file: "\(key): \(value)")).origin.text.hasSuffix("line 1"))
        if !setting.isSecret {
            let row = try row(SettingsFixture.load(others, arguments: [setting.option, value]))
            #expect(row.origin == .option)
            #expect(row.text == value)
        }
    }

    @Test func `all settings are read once, and in the order of the list`() throws {
        let settings = try SettingsFixture.load()
        #expect(settings.inForce.map(\.setting.key) == Setting.all.map(\.key))
        #expect(Set(Setting.all.map(\.key)).count == Setting.all.count)
    }
}
