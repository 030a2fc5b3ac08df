// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedRuntime
import MedServer
import Testing

@Suite struct SettingsFileTests {
    @Test(arguments: [
        "shutdown:\n  graceSeconds: 2.5\n  deadlineSeconds: 9\nport: 1\n",
        "shutdown.graceSeconds: 2.5\nshutdown.deadlineSeconds: 9\nport: 1\n",
        "{shutdown: {graceSeconds: 2.5}, shutdown.deadlineSeconds: 9, port: 1}",
        "\u{FEFF}shutdown: &a {graceSeconds: 2.5, deadlineSeconds: 9}\r\nport: 1\r\nlog:\r\n",
    ])
    func `nested keys and dotted keys are the same`(yaml: String) throws {
        let settings = try SettingsFixture.load(file: yaml)
        #expect(settings.shutdown.grace == .milliseconds(2500))
        #expect(settings.shutdown.deadline == .seconds(9))
        #expect(settings.port == 1)
    }

    @Test(arguments: ["", "\n", "# nothing\n", "---\n", "shutdown:\n  # graceSeconds: 5\n"])
    func `a file in which everything is commented out sets nothing`(yaml: String) throws {
        #expect(try SettingsFixture.load(file: yaml) == SettingsFixture.load())
    }

    @Test func `on and off are words in YAML too`() throws {
        let settings = try SettingsFixture.load(file: "phi.encryption: off\ndrill.routes: 'on'\n")
        #expect(!settings.encryption.isOn)
        #expect(settings.drill.routes)
    }

    @Test(arguments: [
        ("prot: 1", "prot (settings.yaml line 1) is not a setting; did you mean port?"),
        (
            "\nshutdown:\n  grace_secs: 1",
            "shutdown.grace_secs (settings.yaml line 3) is not a setting; did you mean shutdown.graceSeconds?"
        ),
        (
            "SHUTDOWN_GRACE_SECONDS: 1",
            "SHUTDOWN_GRACE_SECONDS (settings.yaml line 1) is not a setting; did you mean shutdown.graceSeconds?"
        ),
        ("color: red", "color (settings.yaml line 1) is not a setting; `medbuilder config` lists the settings."),
        ("color:", "color (settings.yaml line 1) is not a setting; `medbuilder config` lists the settings."),
        ("shutdown: 5", "shutdown (settings.yaml line 1) is not a setting; `medbuilder config` lists the settings."),
        ("<<: 5", "<< (settings.yaml line 1) is not a setting; `medbuilder config` lists the settings."),
        (
            "\"a\\u001b[0m\": 5",
            "a\\u{1B}[0m (settings.yaml line 1) is not a setting; `medbuilder config` lists the settings."
        ),
        ("port: [1]", "port (settings.yaml line 1) must be one value, not a list or a mapping."),
        ("port: {a: 1}", "port (settings.yaml line 1) must be one value, not a list or a mapping."),
        ("port:", "port (settings.yaml line 1) has no value; it must be a whole number from 0 to 65535."),
        (
            "host: ~",
            "host (settings.yaml line 1) has no value; it must be an IP address or a host name, without a port."
        ),
        ("port: true", "port is \"true\" (from settings.yaml line 1); it must be a whole number from 0 to 65535."),
        (
            "port: abc",
            "port (settings.yaml line 1) is a text; it must be a whole number from 0 to 65535, without quotes."
        ),
        (
            "port: '5000'",
            "port (settings.yaml line 1) is a text; it must be a whole number from 0 to 65535, without quotes."
        ),
        ("port: 0x10", "port is \"0x10\" (from settings.yaml line 1); it must be a whole number from 0 to 65535."),
        ("port: 5000.0", "port is \"5000.0\" (from settings.yaml line 1); it must be a whole number from 0 to 65535."),
        (
            "shutdown.graceSeconds: .inf",
            "shutdown.graceSeconds is \".inf\" (from settings.yaml line 1); it must be a number of seconds from 0 to 3600."
        ),
        (
            "host: true",
            "host (settings.yaml line 1) is not a text; it must be an IP address or a host name, without a port, in quotes."
        ),
        (
            "host: 12",
            "host (settings.yaml line 1) is not a text; it must be an IP address or a host name, without a port, in quotes."
        ),
        (
            "host: !env HOST",
            "host (settings.yaml line 1) has a YAML tag; it must be an IP address or a host name, without a port."
        ),
        ("drill.routes: true", "drill.routes is \"true\" (from settings.yaml line 1); it must be on or off."),
        (
            "phi.encryptionKey: 12",
            "phi.encryptionKey (settings.yaml line 1) is not a text; it must be base64 of 32 bytes, in quotes."
        ),
        ("port: 1\nport: 2", "settings.yaml line 1, column 1 is not understood: port is given more than once."),
        (
            "log.level: info\nlog: {level: debug}",
            "log.level is given more than once (settings.yaml line 1, and line 2)."
        ),
        ("- port", "settings.yaml must be a mapping of keys to values."),
        ("just text", "settings.yaml must be a mapping of keys to values."),
        ("[a]: 1", "settings.yaml line 1, column 1 is not understood: the key is not a text."),
        (
            "port: 1\n\tsecret: hunter2",
            "settings.yaml line 2, column 1 is not understood: found a tab character that violates indentation."
        ),
        ("port: 1\n---\nport: 2", "settings.yaml line 2, column 1 is not understood: but found another document."),
        ("port: *nowhere", "settings.yaml line 1, column 7 is not understood: found undefined alias."),
        ("a: 1\nb: \u{1}", "settings.yaml line 2, column 4 is not understood: control characters are not allowed."),
    ])
    func `a mistake in a YAML file is one sentence with its place`(yaml: String, sentence: String) throws {
        #expect(try SettingsFixture.mistakes(file: yaml) == [sentence])
    }

    @Test func `a few aliases cannot become more entries than memory has room for`() throws {
        let deep = (1...40).map { "a\($0): &a\($0) {x: *a\($0 - 1), y: *a\($0 - 1)}\n" }.joined()
        let wide = (1...5).map { level in
            "a\(level): &a\(level) {" + (1...20).map { "k\($0): *a\(level - 1)" }.joined(separator: ", ") + "}\n"
        }
        for bomb in [deep, wide.joined()] {
            let mistakes = try SettingsFixture.mistakes(file: "a0: &a0 {x: 1}\n" + bomb)
            #expect(mistakes.count == 1)
            #expect(mistakes[0].hasSuffix("is not understood: it has too many entries or levels."))
        }
    }

    @Test func `all mistakes in a file are reported, with those of other sources`() throws {
        let mistakes = try SettingsFixture.mistakes(
            ["LOG_FORMAT": "xml"],
            file: "prot: 1\nport: [1]\nhost: a b\n",
            arguments: ["--drill-routes=x"]
        )
        #expect(mistakes.map { $0.prefix { $0 != " " } } == ["prot", "port", "host", "log.format", "drill.routes"])
    }

    @Test func `nothing is called missing that the file may have`() throws {
        let production = ["APP_ENV": "production", "PORT": "x"]
        #expect(
            try SettingsFixture.mistakes(production, file: "a: [").map { $0.prefix { $0 != " " } } == [
                "settings.yaml", "port",
            ])
        let malformed = SettingsFixture.deployed("production", ["DATABASE_URL": ""])
        #expect(try SettingsFixture.mistakes(malformed, file: "database.url: 5").count == 1)
    }

    @Test func `a secret in a file is used and never shown`() throws {
        #expect(try SettingsFixture.load(file: "phi:\n  encryptionKey: \(SettingsFixture.key)\n").encryption.key != nil)
        #expect(
            try SettingsFixture.mistakes(file: "database.url: mysql://u:hunter2@db") == [
                "database.url (from settings.yaml line 1) is refused: "
                    + "it must be sqlite:PATH, or postgres:// with what libpq takes."
            ]
        )
    }

    @Test func `a file that is not there, a folder, an endless or binary file are told apart`() throws {
        #expect(
            try SettingsFixture.mistakes(arguments: ["--config", "/nowhere.yaml"]) == ["/nowhere.yaml does not exist."])
        #expect(try SettingsFixture.mistakes(arguments: ["--config", "/"]) == ["/ is a folder, not a file."])
        #expect(
            try SettingsFixture.mistakes(arguments: ["--config", "/dev/zero"])
                == ["/dev/zero is larger than a file of settings can be."]
        )
        try SettingsFixture.withFolder { folder in
            let path = folder + "/binary.yaml"
            try Data([0x70, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: path))
            #expect(try SettingsFixture.mistakes(arguments: ["--config", path]) == ["\(path) is not UTF-8 text."])
        }
    }

    @Test func `any name but one in .json is YAML`() throws {
        #expect(try SettingsFixture.load(file: "port: 1", named: "settings.conf").port == 1)
        #expect(try SettingsFixture.mistakes(file: "port: 1", named: "settings.JSON").count == 1)
    }
}
