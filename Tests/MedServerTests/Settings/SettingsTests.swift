// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import MedServer
import MedTelemetry
import Testing

@Suite struct SettingsTests {
    @Test func `without any setting the documented defaults hold`() throws {
        let settings = try SettingsFixture.load()
        #expect(settings.environment == .development)
        #expect(settings.port == 5000)
        #expect(settings.host == "0.0.0.0")
        #expect(settings.database.location == .sqlite(path: "./.medbuilder/medbuilder.sqlite", isDefault: true))
        #expect(settings.database.migration == .auto)
        #expect(settings.encryption.isOn)
        #expect(settings.encryption.key == nil)
        #expect(settings.stateDirectory == "./.medbuilder")
        #expect("\(settings.log.levels)" == "info")
        #expect(settings.log.format == .text)
        #expect(settings.shutdown.drainDelay == .zero)
        #expect(settings.shutdown.grace == .seconds(5))
        #expect(settings.shutdown.deadline == .seconds(30))
        #expect(settings.http.headerTimeout == .seconds(10))
        #expect(settings.http.idleTimeout == .seconds(75))
        #expect(settings.http.maxConnections == 8192)
        #expect(!settings.drill.routes)
    }

    @Test func `every value that is set arrives`() throws {
        let settings = try SettingsFixture.load([
            "APP_ENV": "staging", "PORT": "0", "HOST": "::", "DATABASE_URL": "sqlite:data/app.sqlite",
            "DATABASE_MIGRATE": "auto", "PHI_ENCRYPTION_KEY": SettingsFixture.key, "PHI_ENCRYPTION": "on",
            "MEDBUILDER_STATE_DIR": "/var/lib/medbuilder", "LOG_LEVEL": "warning", "LOG_FORMAT": "text",
            "SHUTDOWN_DRAIN_DELAY_SECONDS": "0.5", "SHUTDOWN_GRACE_SECONDS": "2.25", "SHUTDOWN_DEADLINE_SECONDS": "28",
            "HTTP_HEADER_TIMEOUT_SECONDS": "0.1", "HTTP_IDLE_TIMEOUT_SECONDS": "86400", "HTTP_MAX_CONNECTIONS": "1",
            "DRILL_ROUTES": "on",
        ])
        #expect(settings.environment == .staging)
        #expect(settings.port == 0)
        #expect(settings.host == "::")
        #expect(settings.database.location == .sqlite(path: "data/app.sqlite", isDefault: false))
        #expect(settings.database.migration == .auto)
        #expect(settings.encryption.key != nil)
        #expect(settings.stateDirectory == "/var/lib/medbuilder")
        #expect("\(settings.log.levels)" == "warning")
        #expect(settings.log.format == .text)
        #expect(settings.shutdown.drainDelay == .milliseconds(500))
        #expect(settings.shutdown.grace == .milliseconds(2250))
        #expect(settings.shutdown.deadline == .seconds(28))
        #expect(settings.http.headerTimeout == .milliseconds(100))
        #expect(settings.http.idleTimeout == .seconds(86400))
        #expect(settings.http.maxConnections == 1)
        #expect(settings.drill.routes)
    }

    @Test(arguments: [
        (
            ["APP_ENV": "prod"],
            "app.env is \"prod\" (from APP_ENV); it must be development, test, staging or production."
        ),
        (
            ["APP_ENV": "Production"],
            "app.env is \"Production\" (from APP_ENV); it must be development, test, staging or production."
        ),
        (["PORT": "abc"], "port is \"abc\" (from PORT); it must be a whole number from 0 to 65535."),
        (["PORT": "70000"], "port is \"70000\" (from PORT); it must be a whole number from 0 to 65535."),
        (["PORT": "-1"], "port is \"-1\" (from PORT); it must be a whole number from 0 to 65535."),
        (
            ["PORT": "99999999999999999999"],
            "port is \"99999999999999999999\" (from PORT); it must be a whole number from 0 to 65535."
        ),
        (
            ["PORT": "a\u{1B}[31m\nb"],
            "port is \"a\\u{1B}[31m\\nb\" (from PORT); it must be a whole number from 0 to 65535."
        ),
        (
            ["HOST": "http://a"],
            "host is \"http://a\" (from HOST); it must be an IP address or a host name, without a port."
        ),
        (["DATABASE_MIGRATE": "yes"], "database.migrate is \"yes\" (from DATABASE_MIGRATE); it must be auto or off."),
        (["PHI_ENCRYPTION": "true"], "phi.encryption is \"true\" (from PHI_ENCRYPTION); it must be on or off."),
        (
            ["LOG_LEVEL": "warn"],
            "log.level is \"warn\" (from LOG_LEVEL); it must be a level (trace, debug, info, notice, warning, error, critical), or several: info,medbuilder.access=warning."
        ),
        (["LOG_FORMAT": "xml"], "log.format is \"xml\" (from LOG_FORMAT); it must be json or text."),
        (
            ["SHUTDOWN_DRAIN_DELAY_SECONDS": "3600.5"],
            "shutdown.drainDelaySeconds is \"3600.5\" (from SHUTDOWN_DRAIN_DELAY_SECONDS); it must be a number of seconds from 0 to 3600."
        ),
        (
            ["SHUTDOWN_GRACE_SECONDS": "5s"],
            "shutdown.graceSeconds is \"5s\" (from SHUTDOWN_GRACE_SECONDS); it must be a number of seconds from 0 to 3600."
        ),
        (
            ["SHUTDOWN_DEADLINE_SECONDS": "0.05"],
            "shutdown.deadlineSeconds is \"0.05\" (from SHUTDOWN_DEADLINE_SECONDS); it must be a number of seconds from 0.1 to 3600."
        ),
        (
            ["HTTP_HEADER_TIMEOUT_SECONDS": "0"],
            "http.headerTimeoutSeconds is \"0\" (from HTTP_HEADER_TIMEOUT_SECONDS); it must be a number of seconds from 0.1 to 3600."
        ),
        (
            ["HTTP_IDLE_TIMEOUT_SECONDS": "86401"],
            "http.idleTimeoutSeconds is \"86401\" (from HTTP_IDLE_TIMEOUT_SECONDS); it must be a number of seconds from 0.1 to 86400."
        ),
        (
            ["HTTP_MAX_CONNECTIONS": "0"],
            "http.maxConnections is \"0\" (from HTTP_MAX_CONNECTIONS); it must be a whole number from 1 to 1000000."
        ),
        (
            ["HTTP_MAX_CONNECTIONS": "1000001"],
            "http.maxConnections is \"1000001\" (from HTTP_MAX_CONNECTIONS); it must be a whole number from 1 to 1000000."
        ),
        (["DRILL_ROUTES": "1"], "drill.routes is \"1\" (from DRILL_ROUTES); it must be on or off."),
    ])
    func `a value against its rule is named with its origin and the rule`(
        environment: [String: String], sentence: String
    ) throws {
        #expect(try SettingsFixture.mistakes(environment) == [sentence])
    }

    @Test(arguments: ["nan", "inf", "-1", "+1", "1e1", "0x5", "5.", ".5", "1.2.3", " 5", "5 ", "1,5", "٥"])
    func `a duration is digits with a point and nothing else`(text: String) throws {
        #expect(try SettingsFixture.mistakes(["SHUTDOWN_GRACE_SECONDS": text]).count == 1)
    }

    @Test(arguments: ["+5", "5.0", " 5", "0x5", "5_000", "٥"])
    func `a whole number is digits and nothing else`(text: String) throws {
        #expect(try SettingsFixture.mistakes(["PORT": text]).count == 1)
    }

    @Test func `a duration keeps every decimal down to the attosecond`() throws {
        let settings = try SettingsFixture.load(["SHUTDOWN_GRACE_SECONDS": "0.0000000000000000019"])
        #expect(settings.shutdown.grace == Duration(secondsComponent: 0, attosecondsComponent: 1))
    }

    @Test(arguments: [
        "0.0.0.0", "127.0.0.1", "::", "::1", "fe80::1%eth0", "localhost", "medbuilder-0.medbuilder.svc", "a_b",
    ])
    func `an address or a name is a host`(text: String) throws {
        #expect(try SettingsFixture.load(["HOST": text]).host == text)
    }

    @Test(arguments: [
        " ", "localhost:5000", "0.0.0.0:80", "[::1]", "::1%", "a,b", "a/b", "ä", String(repeating: "a", count: 254),
    ])
    func `whatever cannot be listened on is not a host`(text: String) throws {
        #expect(try SettingsFixture.mistakes(["HOST": text]).count == 1)
    }

    @Test func `all mistakes are reported, in the order of the settings`() throws {
        let mistakes = try SettingsFixture.mistakes([
            "DRILL_ROUTES": "x", "PORT": "x", "APP_ENV": "x", "DATABASE_URL": "x",
        ])
        #expect(mistakes.map { $0.prefix { $0 != " " } } == ["app.env", "port", "database.url", "drill.routes"])
    }

    @Test func `an empty environment variable counts as unset`() throws {
        let empty = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.environmentName, "") })
        #expect(try SettingsFixture.load(empty) == SettingsFixture.load())
    }

    @Test func `what Kubernetes injects for a Service is not read`() throws {
        let settings = try SettingsFixture.load([
            "MEDBUILDER_PORT": "tcp://10.0.0.1:80", "MEDBUILDER_SERVICE_PORT": "80", "MEDBUILDER_STATE_DIR": "/state",
        ])
        #expect(settings.port == 5000)
        #expect(settings.stateDirectory == "/state")
    }

    @Test func `the description of the error is its sentences, one a line`() {
        #expect(throws: SettingsError.self) { try SettingsFixture.load(["PORT": "x", "LOG_FORMAT": "y"]) }
        do throws(SettingsError) {
            _ = try Settings.load(environment: ["PORT": "x", "LOG_FORMAT": "y"])
        } catch {
            #expect(error.description == error.mistakes[0] + "\n" + error.mistakes[1])
        }
    }
}
