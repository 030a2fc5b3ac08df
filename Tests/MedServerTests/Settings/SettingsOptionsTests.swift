// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import MedServer
import Testing

@Suite struct SettingsOptionsTests {
    @Test func `an option is the key in dash case, with its value behind a space or an equals sign`() throws {
        let settings = try SettingsFixture.load(arguments: [
            "--shutdown-grace-seconds", "0.5", "--port=0", "--medbuilder-state-dir=a=b,c", "--host", "localhost",
        ])
        #expect(settings.shutdown.grace == .milliseconds(500))
        #expect(settings.port == 0)
        #expect(settings.stateDirectory == "a=b,c")
        #expect(settings.host == "localhost")
    }

    @Test(arguments: [["--config", "a.yaml"], ["--config=a.yaml"]])
    func `the file is an option too`(arguments: [String]) throws {
        #expect(try SettingsOptions(parsing: arguments).configFile == "a.yaml")
    }

    @Test func `a wrong value is for the rules to refuse`() throws {
        let rule = "it must be a whole number from 0 to 65535."
        #expect(try SettingsFixture.mistakes(arguments: ["--port", "-1"]) == ["port is \"-1\" (from --port); \(rule)"])
    }

    @Test(arguments: [
        (["--prot", "1"], OptionError.Code.unknownOption, "--prot is not an option; did you mean --port?"),
        (["--prot=hunter2"], .unknownOption, "--prot is not an option; did you mean --port?"),
        (["--confg", "a"], .unknownOption, "--confg is not an option; did you mean --config?"),
        (["--PORT", "1"], .unknownOption, "--PORT is not an option; did you mean --port?"),
        (["-p", "1"], .unknownOption, "-p is not an option; `medbuilder config` lists the settings."),
        (["--"], .unknownOption, "-- is not an option; `medbuilder config` lists the settings."),
        (["--port"], .missingValue, "--port needs a value, as in `--port VALUE` or `--port=VALUE`."),
        (["--port", "--host", "a"], .missingValue, "--port needs a value, as in `--port VALUE` or `--port=VALUE`."),
        (["--config="], .missingValue, "--config needs a value, as in `--config VALUE` or `--config=VALUE`."),
        (["--port", "1", "--port=2"], .repeatedOption, "--port is given more than once."),
        (["--config", "a", "--config", "b"], .repeatedOption, "--config is given more than once."),
        (
            ["--port", "1", "hunter2"], .strayArgument,
            "Argument 3 is neither an option nor the value of one; options are written `--port 5000`."
        ),
        (
            ["PORT=1"], .strayArgument,
            "Argument 1 is neither an option nor the value of one; options are written `--port 5000`."
        ),
        (
            ["--phi-encryption-key", "hunter2"], .secretOption,
            "--phi-encryption-key is not accepted, because others can read the arguments of a process; "
                + "set PHI_ENCRYPTION_KEY in the environment, or phi.encryptionKey in a file."
        ),
        (
            ["--database-url=sqlite:hunter2"], .secretOption,
            "--database-url is not accepted, because others can read the arguments of a process; "
                + "set DATABASE_URL in the environment, or database.url in a file."
        ),
    ])
    func `arguments that cannot be understood are refused with a sentence`(
        arguments: [String],
        code: OptionError.Code,
        sentence: String
    ) {
        do throws(OptionError) {
            _ = try SettingsOptions(parsing: arguments)
            Issue.record("the arguments were accepted")
        } catch {
            #expect(error.code == code)
            #expect(error.description == sentence)
        }
    }
}
