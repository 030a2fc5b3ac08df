// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import MedServer
import Testing

@Suite struct SettingsJSONTests {
    @Test func `JSON is read with all that it allows`() throws {
        let json =
            "\u{FEFF}" + #"""
                { "shutdown" : { "graceSeconds" : 2.5, "deadlineSeconds": 9 },
                \#t"port":0,"drill.routes":"on",
                  "medbuilder.stateDir": "\/é\"\\\u00e9\ud83d\ude00", "http": {} }

                """#
        let settings = try SettingsFixture.load(file: json, named: "settings.json")
        #expect(settings.shutdown.grace == .milliseconds(2500))
        #expect(settings.shutdown.deadline == .seconds(9))
        #expect(settings.port == 0)
        #expect(settings.drill.routes)
        #expect(settings.stateDirectory == "/é\"\\é😀")
    }

    @Test(arguments: [
        ("", 1, 1, "a value is missing"), ("{", 1, 2, "a key in quotes is missing"),
        (#"{"port": 1,}"#, 1, 12, "a key in quotes is missing"), (#"{"a": [1,]}"#, 1, 10, "a value is missing"),
        ("{\"é\": 1\n \"b\": 2}", 2, 2, "a comma or a closing bracket is missing"),
        (#"{"é" 1}"#, 1, 6, "a colon is missing"), ("{port: 1}", 1, 2, "a key in quotes is missing"),
        (#"{"port": 01}"#, 1, 11, "a number begins with 0"), (#"{"port": -}"#, 1, 11, "a digit is missing"),
        (#"{"port": 1.}"#, 1, 12, "a digit is missing"), (#"{"port": 1e}"#, 1, 12, "a digit is missing"),
        (#"{"port": .5}"#, 1, 10, "a value is missing"), (#"{"port": NaN}"#, 1, 10, "a value is missing"),
        (#"{"port": tru}"#, 1, 10, "a value is missing"), (#"{"a": 'b'}"#, 1, 7, "a value is missing"),
        (#"{"a": "b}"#, 1, 10, "the text has no closing quote"), (#"{"a": "\"#, 1, 9, "the text has no closing quote"),
        (#"{"a": "\x"}"#, 1, 9, "there is no such escape"),
        (#"{"a": "\u12"}"#, 1, 10, "four hexadecimal digits are missing"),
        (#"{"a": "\ud83d"}"#, 1, 14, "the escape is half a surrogate pair"),
        (#"{"a": "\ude00"}"#, 1, 14, "the escape is half a surrogate pair"),
        ("{\"a\": \"\t\"}", 1, 8, "a control character in a text must be escaped"),
        ("{} {}", 1, 4, "there is more after the end of the value"),
        ("{} // a", 1, 4, "there is more after the end of the value"),
        ("{]", 1, 2, "a key in quotes is missing"),
        (String(repeating: "[", count: 100_000), 1, 17, "it has too many levels"),
    ])
    func `JSON that is not JSON is refused with its place`(json: String, line: Int, column: Int, problem: String) throws
    {
        #expect(
            try SettingsFixture.mistakes(file: json, named: "settings.json")
                == ["settings.json line \(line), column \(column) is not understood: \(problem)."]
        )
    }

    @Test(arguments: [
        ("null", "settings.json must be a mapping of keys to values."),
        ("[]", "settings.json must be a mapping of keys to values."),
        ("{\n\"prot\": 1}", "prot (settings.json line 2) is not a setting; did you mean port?"),
        (
            #"{"port": true}"#,
            "port is \"true\" (from settings.json line 1); it must be a whole number from 0 to 65535."
        ),
        (#"{"port": null}"#, "port (settings.json line 1) has no value; it must be a whole number from 0 to 65535."),
        (
            #"{"port": "1"}"#,
            "port (settings.json line 1) is a text; it must be a whole number from 0 to 65535, without quotes."
        ),
        (#"{"port": 1e3}"#, "port is \"1e3\" (from settings.json line 1); it must be a whole number from 0 to 65535."),
        (#"{"port": [1]}"#, "port (settings.json line 1) must be one value, not a list or a mapping."),
        ("{\"port\": 1,\n\"port\": 2}", "port is given more than once (settings.json line 1, and line 2)."),
        (
            #"{"host": false}"#,
            "host (settings.json line 1) is not a text; it must be an IP address or a host name, without a port, in quotes."
        ),
    ])
    func `a mistake in a JSON file is one sentence with its place`(json: String, sentence: String) throws {
        #expect(try SettingsFixture.mistakes(file: json, named: "settings.json") == [sentence])
    }
}
