// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import Testing

@testable import MedTelemetry

@Suite struct TextLogLayoutTests {
    private func line(
        _ message: String = "Message",
        level: Logger.Level = .notice,
        errorType: String? = nil,
        metadata: Logger.Metadata = [:],
        colored: Bool = false
    ) throws -> String {
        let record = LogRecord(
            time: 1_761_543_240_000,
            level: level,
            message: message,
            errorType: errorType,
            metadata: metadata.map { ($0.key, $0.value) }
        )
        let bytes = LogLayout.text(TextLogLayout(colored: colored)).line(for: record)
        #expect(bytes.count < 65_536)
        return try #require(String(validating: bytes, as: UTF8.self))
    }

    @Test func `a line has the time, the level, the message and the metadata by its keys`() throws {
        #expect(try self.line("Draining") == "05:34:00.000 NOTICE  Draining")
        #expect(
            try self.line("Draining", errorType: "Some.Error", metadata: ["http.inFlight": "3", "a": "b"])
                == "05:34:00.000 NOTICE  Draining  a=b error.type=Some.Error http.inFlight=3"
        )
    }

    @Test(
        arguments: zip(
            Logger.Level.allCases,
            ["TRACE   M", "DEBUG   M", "INFO    M", "NOTICE  M", "WARNING M", "ERROR   M", "CRITICAL M"]
        ))
    func `messages begin in one column`(level: Logger.Level, expected: String) throws {
        #expect(try self.line("M", level: level) == "05:34:00.000 \(expected)")
    }

    @Test(arguments: [
        ("plain", "plain"), ("a/b:c,d", "a/b:c,d"), ("ä…😀", "ä…😀"), ("", #""""#), ("two words", #""two words""#),
        ("a=b", #""a=b""#), (#"say "hi""#, #""say \"hi\"""#), (#"C:\x"#, #""C:\\x""#), ("a\nb", #""a\nb""#),
        ("\u{1B}[31m", #""\u001b[31m""#),
        ("\u{9B}31m", #"\u009b31m"#),
    ])
    func `a value is quoted where it could be misread`(value: String, expected: String) throws {
        #expect(try self.line(metadata: ["key": .string(value)]) == "05:34:00.000 NOTICE  Message  key=\(expected)")
        #expect(try self.line(metadata: [value: "value"]) == "05:34:00.000 NOTICE  Message  \(expected)=value")
    }

    @Test func `a message keeps its quotes and stays on its line`() throws {
        #expect(
            try self.line("say \"hi\"\nto \\me\u{1B}[2J\u{2028}")
                == #"05:34:00.000 NOTICE  say "hi"\nto \me\u001b[2J\u2028"#)
    }

    @Test func `nested values look like JSON`() throws {
        #expect(
            try self.line(metadata: ["key": ["b": ["1", "2"], "a": "x y"]])
                == #"05:34:00.000 NOTICE  Message  key={"a":"x y","b":["1","2"]}"#
        )
    }

    @Test func `colors frame the level and the keys and nothing else`() throws {
        let line = try self.line(level: .error, metadata: ["key": "value"], colored: true)
        #expect(line == "05:34:00.000 \u{1B}[31mERROR  \u{1B}[0m Message  \u{1B}[2mkey=\u{1B}[0mvalue")
    }

    @Test func `long messages and values are cut, and a full line says so`() throws {
        #expect(try self.line(String(repeating: "m", count: 1_000_000)).utf8.count == 21 + 16_384 + "…[cut]".utf8.count)
        #expect(try self.line(metadata: ["key": .string(String(repeating: "v", count: 5000))]).hasSuffix("v…[cut]"))
        var metadata: Logger.Metadata = [:]
        for number in 100..<200 { metadata["key\(number)"] = .string(String(repeating: "v", count: 4000)) }
        #expect(try self.line(metadata: metadata).hasSuffix("v labels.truncated=true"))
    }
}
