// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

@Suite(.endToEnd) struct CommandTests {
    static let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    // MARK: Usage

    @Test func `help lists the commands and the exit codes`() async throws {
        let result = try await run("--help")
        #expect(result.exit == .code(0))
        #expect(result.errors == "")
        for command in ["serve", "migrate", "config", "probe"] { #expect(result.output.contains(command)) }
        for code in ["0", "1", "2", "64", "69", "70", "78"] {
            #expect(
                try Regex(#"(?m)^\s*\#(code)\s+\S"#).firstMatch(in: result.output) != nil,
                "\(code) in:\n\(result.output)")
        }
    }

    @Test(arguments: ["serve", "migrate", "config", "probe"])
    func `every command explains itself`(command: String) async throws {
        let result = try await run(command, "--help")
        #expect(result.exit == .code(0))
        #expect(result.output.contains("medbuilder \(command)"))
    }

    @Test func `version is one line`() async throws {
        let result = try await run("--version")
        #expect(result.exit == .code(0))
        #expect(result.output.wholeMatch(of: /\S.*\n/) != nil)
        #expect(result.errors == "")
    }

    @Test(arguments: [
        ["serve", "--no-such-option"], ["serve", "--no-such-option", "5"], ["no-such-command"], ["serve", "stray"],
        ["probe", "life"], ["probe"], ["serve", "--port"], ["serve", "--config"],
        ["serve", "--phi-encryption-key", "secret-secret"],
    ])
    func `a mistake in the usage exits with 64, a plain sentence and nothing done`(arguments: [String]) async throws {
        let command = try startServer(arguments: arguments)
        #expect(try await command.waitForExit() == .code(64))
        #expect(command.process.outputText == "")
        #expect(command.process.errorText != "")
        #expect(!command.process.errorText.contains("secret-secret"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: testFolder().path) == [])
    }

    @Test func `an unknown option is named`() async throws {
        #expect(try await run("serve", "--no-such-option").errors.contains("--no-such-option"))
    }

    // MARK: Settings

    @Test(arguments: [
        (["PORT": "abc"], ["PORT", "abc"]),
        (["PORT": "70000"], ["PORT", "70000"]),
        (["PORT": "-1"], ["PORT", "-1"]),
        (["SHUTDOWN_GRACE_SECONDS": "soon"], ["SHUTDOWN_GRACE_SECONDS", "soon"]),
        (["SHUTDOWN_GRACE_SECONDS": "30", "SHUTDOWN_DEADLINE_SECONDS": "30"], ["30"]),
        (["SHUTDOWN_GRACE_SECONDS": "20", "SHUTDOWN_DRAIN_DELAY_SECONDS": "10"], ["30"]),
        (["APP_ENV": "prod"], ["APP_ENV", "prod", "production"]),
        (["LOG_LEVEL": "loud"], ["LOG_LEVEL", "loud"]),
        (["LOG_FORMAT": "xml"], ["LOG_FORMAT", "xml"]),
        (["DATABASE_URL": "mysql://host/db"], ["DATABASE_URL"]),
        (["DATABASE_MIGRATE": "perhaps"], ["DATABASE_MIGRATE", "perhaps"]),
        (["HTTP_MAX_CONNECTIONS": "0"], ["HTTP_MAX_CONNECTIONS", "0"]),
        (["HTTP_IDLE_TIMEOUT_SECONDS": "nan"], ["HTTP_IDLE_TIMEOUT_SECONDS", "nan"]),
        (["DRILL_ROUTES": "perhaps"], ["DRILL_ROUTES", "perhaps"]),
        (["PHI_ENCRYPTION": "perhaps"], ["PHI_ENCRYPTION", "perhaps"]),
        (["APP_ENV": "production", "DATABASE_URL": "sqlite:a.sqlite"], ["PHI_ENCRYPTION_KEY"]),
        (["APP_ENV": "production", "PHI_ENCRYPTION_KEY": key], ["DATABASE_URL"]),
        (["APP_ENV": "staging", "PHI_ENCRYPTION_KEY": key], ["DATABASE_URL"]),
        (["APP_ENV": "staging", "DATABASE_URL": "sqlite:a.sqlite", "PHI_ENCRYPTION": "off"], ["PHI_ENCRYPTION"]),
    ])
    func `a mistake in the settings exits with 78 before anything is opened`(
        environment: [String: String],
        named: [String]
    ) async throws {
        let result = try await run("serve", environment: environment)
        #expect(result.exit == .code(78))
        #expect(result.output == "")
        for word in named { #expect(result.errors.contains(word), "\(word) in: \(result.errors)") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: testFolder().path) == [])
    }

    @Test func `all mistakes are told, a sentence each`() async throws {
        let result = try await run(
            "serve",
            environment: ["PORT": "abc", "APP_ENV": "prod", "LOG_LEVEL": "loud", "SHUTDOWN_GRACE_SECONDS": "99999"]
        )
        #expect(result.exit == .code(78))
        for word in ["abc", "prod", "loud", "99999"] {
            #expect(
                result.errors.split(separator: "\n").count { $0.contains(word) } == 1, "\(word) in: \(result.errors)")
        }
    }

    @Test(arguments: ["c2hvcnQ=", "not base64 at all!"])
    func `a key that is none is refused and not printed`(key: String) async throws {
        let result = try await run("serve", environment: ["PHI_ENCRYPTION_KEY": key])
        #expect(result.exit == .code(78))
        #expect(result.errors.contains("PHI_ENCRYPTION_KEY"))
        #expect(!(result.errors + result.output).contains(key))
    }

    @Test func `a development key file that is no key is refused and left alone`() async throws {
        let file = try makeFolder(".medbuilder").appending(path: "phi.key")
        try Data("not a key".utf8).write(to: file)
        let result = try await run("serve")
        #expect(result.exit == .code(78))
        #expect(result.errors.contains("phi.key"))
        #expect(try Data(contentsOf: file) == Data("not a key".utf8))
    }

    @Test func `unknown variables are nobody's mistake`() async throws {
        _ = try await readyServer([
            "MEDBUILDER_PORT": "tcp://10.0.0.1:80", "MEDBUILDER_SERVICE_HOST": "10.0.0.1", "SHUTDOWN_GRACE": "abc",
        ])
    }

    @Test func `an option outranks a file and a file outranks the environment`() async throws {
        let file = try testFolder().appending(path: "settings.json")
        try Data(#"{"app":{"env":"test"},"shutdown":{"graceSeconds":3}}"#.utf8).write(to: file)
        let result = try await run(
            "config", "--config", "settings.json", "--shutdown-grace-seconds", "4",
            environment: [
                "APP_ENV": "development", "SHUTDOWN_GRACE_SECONDS": "2", "SHUTDOWN_DRAIN_DELAY_SECONDS": "1.5",
            ]
        )
        #expect(result.exit == .code(0), "\(result)")
        #expect(try self.line(of: "APP_ENV", in: result.output).contains("test"))
        #expect(try self.line(of: "SHUTDOWN_GRACE_SECONDS", in: result.output).contains("4"))
        #expect(try self.line(of: "SHUTDOWN_DRAIN_DELAY_SECONDS", in: result.output).contains("1.5"))
    }

    @Test func `YAML says the same as JSON`() async throws {
        let file = try testFolder().appending(path: "settings.yaml")
        try Data("shutdown:\n  graceSeconds: 3.25\n".utf8).write(to: file)
        let result = try await run("config", "--config", "settings.yaml")
        #expect(result.exit == .code(0), "\(result)")
        #expect(try self.line(of: "SHUTDOWN_GRACE_SECONDS", in: result.output).contains("3.25"))
    }

    @Test(arguments: [
        ("a.json", #"{"shutdown":{"graceSecond":3}}"#, "graceSecond"),
        ("a.yaml", "shutdown:\n  graceSecond: 3\n", "graceSecond"),
        ("a.json", #"{"shutdown":{"graceSeconds":"soon"}}"#, "graceSeconds"),
        ("a.json", #"{"shutdown":"#, "a.json"),
        ("a.yaml", "shutdown: [\n", "a.yaml"),
        ("missing.json", "", "missing.json"),
    ])
    func `a mistake in a file exits with 78`(name: String, text: String, named: String) async throws {
        if !text.isEmpty { try Data(text.utf8).write(to: testFolder().appending(path: name)) }
        let result = try await run("serve", "--config", name)
        #expect(result.exit == .code(78))
        #expect(result.errors.contains(named), "\(result.errors)")
    }

    @Test func `config prints every setting and no secret`() async throws {
        let result = try await run("config", environment: ["PHI_ENCRYPTION_KEY": Self.key, "PORT": "5005"])
        #expect(result.exit == .code(0))
        for name in [
            "APP_ENV", "DATABASE_URL", "DATABASE_MIGRATE", "PHI_ENCRYPTION_KEY", "PHI_ENCRYPTION", "PORT", "HOST",
            "LOG_LEVEL", "LOG_FORMAT",
            "MEDBUILDER_STATE_DIR", "SHUTDOWN_DRAIN_DELAY_SECONDS", "SHUTDOWN_GRACE_SECONDS",
            "SHUTDOWN_DEADLINE_SECONDS",
            "HTTP_MAX_CONNECTIONS", "HTTP_HEADER_TIMEOUT_SECONDS", "HTTP_IDLE_TIMEOUT_SECONDS", "DRILL_ROUTES",
        ] {
            #expect(result.output.contains(name), "\(name)")
        }
        #expect(try self.line(of: "PORT", in: result.output).contains("5005"))
        #expect(!result.output.contains(Self.key))
        #expect(try FileManager.default.contentsOfDirectory(atPath: testFolder().path) == [])
    }

    // MARK: Serve

    @Test(arguments: [0o600, 0o644])
    func `the development key is refused in production, whoever may read its file`(mode: Int) async throws {
        let development = try await readyServer()
        development.send(SIGTERM)
        #expect(try await development.waitForExit() == .code(0))
        let file = try testFolder().appending(path: ".medbuilder/phi.key")
        let key = try String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .newlines)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        let result = try await run(
            "serve",
            environment: ["APP_ENV": "production", "DATABASE_URL": "sqlite:data.sqlite", "PHI_ENCRYPTION_KEY": key]
        )
        #expect(result.exit == .code(78))
        #expect(result.errors.contains("development key"))
        #expect(!result.errors.contains(key))
    }

    @Test func `a port that is taken exits with 69 and is named`() async throws {
        let first = try await readyServer(in: makeFolder("first"))
        let port = try await first.port
        let second = try startServer(["PORT": "\(port)"], in: makeFolder("second"))
        #expect(try await second.waitForExit() == .code(69))
        #expect(second.records.contains { $0.message.contains("\(port)") && $0.level == "critical" })
        #expect(second.process.errorText.isEmpty)
        #expect(try await first.get("/ready").status == 200)
    }

    @Test func `an address that cannot be bound exits with 69 and is named`() async throws {
        let result = try await run("serve", environment: ["HOST": "192.0.2.1"])
        #expect(result.exit == .code(69))
        #expect(result.output.contains("192.0.2.1"))
        #expect(result.errors.isEmpty)
    }

    @Test func `a port can be used again at once`() async throws {
        let first = try await readyServer(in: makeFolder("first"))
        let port = try await first.port
        // Connections that the server ends first stay in TIME_WAIT.
        let client = try await first.connect()
        #expect(try await client.get("/live").status == 200)
        first.send(SIGTERM)
        #expect(try await first.waitForExit() == .code(0))
        let second = try await readyServer(["PORT": "\(port)"], in: makeFolder("second"))
        #expect(try await second.port == port)
    }

    @Test func `both families`() async throws {
        let port = try await readyServer(["HOST": "::"]).port
        #expect(try await RawClient.exchange(port: port, host: "::1", "GET", "/live").status == 200)
        #expect(try await RawClient.exchange(port: port, host: "127.0.0.1", "GET", "/live").status == 200)
    }

    @Test func `settings by options`() async throws {
        let server = try await readyServer(arguments: [
            "serve", "--port", "0", "--app-env", "test", "--shutdown-grace-seconds", "0.5",
        ])
        #expect(try await server.get("/health").json["environment"]?.string == "test")
    }

    @Test func `production with everything that it demands`() async throws {
        let settings = [
            "APP_ENV": "production", "DATABASE_URL": "sqlite:production.sqlite", "PHI_ENCRYPTION_KEY": Self.key,
        ]
        // There, serve leaves the schema alone.
        #expect(try await run("migrate", environment: settings).exit == .code(0))
        let server = try await readyServer(settings)
        let health = try await server.get("/health").json
        #expect(health["environment"]?.string == "production")
        #expect(health.value(at: "checks.encryption.enabled") == .bool(true))
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(!server.process.outputText.contains(Self.key))
        // No development key is made there.
        #expect(try !FileManager.default.fileExists(atPath: testFolder().appending(path: ".medbuilder/phi.key").path))
    }

    // MARK: Probe

    @Test func `probe asks a running server`() async throws {
        let server = try await readyServer(in: makeFolder("server"))
        let port = try await server.port
        for name in ["live", "ready", "health"] {
            #expect(try await run("probe", name, "--url", "http://127.0.0.1:\(port)").exit == .code(0))
            #expect(try await run("probe", name, environment: ["PORT": "\(port)"]).exit == .code(0))
        }
    }

    @Test func `probe tells live from ready`() async throws {
        _ = try await lock(testFolder().appending(path: "locked.sqlite"))
        let server = try startServer(["DATABASE_URL": "sqlite:locked.sqlite"])
        let url = "http://127.0.0.1:\(try await server.port)"
        #expect(try await run("probe", "live", "--url", url).exit == .code(0))
        #expect(try await run("probe", "ready", "--url", url).exit == .code(1))
    }

    @Test func `probe finds nobody, or nobody who answers`() async throws {
        let silent = try SilentListener()
        #expect(try await run("probe", "live", "--url", "http://127.0.0.1:\(silent.port)").exit == .code(1))
        let gone = try SilentListener().port
        #expect(try await run("probe", "live", environment: ["PORT": "\(gone)"]).exit == .code(1))
    }

    // MARK: Migrate

    @Test func `migrate prepares what serve then finds`() async throws {
        let settings = ["DATABASE_URL": "sqlite:new.sqlite", "DATABASE_MIGRATE": "off"]
        let server = try startServer(settings)
        try await eventually("the database is an error") {
            try await databaseStatus(server) == "error"
        }
        #expect(try await server.get("/ready").status == 503)

        #expect(try await run("migrate", environment: settings).exit == .code(0))
        // It notices by itself.
        try await server.waitUntilReady()
        // And again there is nothing to do.
        #expect(try await run("migrate", environment: settings).exit == .code(0))
    }

    @Test func `migrate that only asks makes no file, and changes none`() async throws {
        let settings = ["DATABASE_URL": "sqlite:new.sqlite"]
        func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: testFolder().path) }
        for isNew in [true, false] {
            if !isNew { #expect(try await run("migrate", environment: settings).exit == .code(0)) }
            let before = try files()
            let status = try await run("migrate", "--status", environment: settings)
            #expect(status.exit == .code(0))
            #expect(status.output.contains("\(isNew ? "pending" : "applied")  1  drill rows"), "\(status)")
            #expect(status.output.hasPrefix("The schema of database '"), "\(status)")
            #expect(status.output.contains("/new.sqlite' is at version \(isNew ? 0 : 2);"), "\(status)")
            let shown = try await run("migrate", "--dry-run", environment: settings)
            #expect(shown.exit == .code(0))
            #expect(shown.output.contains(isNew ? "CREATE TABLE drill_rows" : "Nothing to do"), "\(shown)")
            #expect(
                try await run("migrate", "--dry-run", "--to", "9", environment: settings).exit == .code(69))
            #expect(try files().filter { $0.contains("sqlite") } == before.filter { $0.contains("sqlite") })
        }
    }

    @Test func `many migrate at once`() async throws {
        let commands = try (0..<6).map { _ in
            try startServer(["DATABASE_URL": "sqlite:new.sqlite"], arguments: ["migrate"])
        }
        for command in commands { #expect(try await command.waitForExit() == .code(0)) }
        _ = try await readyServer(["DATABASE_URL": "sqlite:new.sqlite", "DATABASE_MIGRATE": "off"])
    }

    @Test func `migrate exits with 69 where it cannot`() async throws {
        _ = try makeFolder("folder.sqlite")
        let result = try await run("migrate", environment: ["DATABASE_URL": "sqlite:folder.sqlite"])
        #expect(result.exit == .code(69))
        #expect((result.errors + result.output).contains("folder.sqlite"))
    }

    /// The line that `config` prints about a setting.
    private func line(of name: String, in output: String) throws -> Substring {
        try #require(
            output.split(separator: "\n").first { $0.split(whereSeparator: \.isWhitespace).contains { $0 == name } })
    }
}
