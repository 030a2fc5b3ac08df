// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Testing

@testable import MedTelemetry

@Suite struct JSONLogLayoutTests {
    private static let service = LogService(name: "med", version: "1.2.3", environment: "test")
    private let layout = JSONLogLayout(label: "server", service: Self.service)

    /// The line of a record, after the checks that hold for every line.
    private func line(
        _ message: String = "Message",
        errorType: String? = nil,
        metadata: Logger.Metadata = [:],
        layout: JSONLogLayout? = nil
    ) throws -> String {
        let record = LogRecord(
            time: 1_761_543_240_000,
            level: .notice,
            message: message,
            errorType: errorType,
            metadata: metadata.map { ($0.key, $0.value) }
        )
        let bytes = LogLayout.json(layout ?? self.layout).line(for: record)
        #expect(bytes.count < 65_536)
        #expect(!bytes.contains { $0 < 0x20 || $0 == 0x7F })
        let line = try #require(String(validating: bytes, as: UTF8.self))
        _ = try fields(line)
        return line
    }

    private func message(_ message: String) throws -> String {
        try #require(try fields(self.line(message))["message"] as? String)
    }

    private func value(_ value: Logger.MetadataValue) throws -> any Sendable {
        try #require(try fields(self.line(metadata: ["key": value]))["key"])
    }

    // MARK: Fields

    @Test func `the fields come in their order, then the metadata by its keys`() throws {
        let metadata: Logger.Metadata = ["trace.id": "abc", "a": "1", "http.request.id": "x"]
        #expect(
            try self.line("Draining", metadata: metadata)
                == #"{"@timestamp":"2025-10-27T05:34:00.000Z","log.level":"notice","#
                + #""message":"Draining","ecs.version":"8.11","service.name":"med","service.version":"1.2.3","#
                + #""service.environment":"test","event.dataset":"med.log","log.logger":"server","#
                + #""a":"1","http.request.id":"x","trace.id":"abc"}"#
        )
    }

    @Test func `the instance has a field of its own`() throws {
        let service = LogService(name: "med", version: "1", environment: "test", instanceID: "pod-7")
        let line = try self.line(layout: JSONLogLayout(label: "server", service: service))
        #expect(line.contains(#""service.environment":"test","service.node.name":"pod-7","event.dataset":"med.log""#))
    }

    @Test func `metadata can name another data set`() throws {
        let line = try self.line(metadata: ["event.dataset": "med.access", "a": "1"])
        #expect(
            line.contains(#""service.environment":"test","event.dataset":"med.access","log.logger":"server","a":"1"}"#))
    }

    @Test func `a data set that is not a text does not replace the usual one`() throws {
        let line = try self.line(metadata: ["event.dataset": ["a"]])
        #expect(line.contains(#""event.dataset":"med.log""#))
        #expect(line.contains(#""labels.event.dataset":["a"]"#))
    }

    @Test(arguments: [
        "@timestamp", "log.level", "message", "ecs.version", "service.name", "service.version", "service.environment",
        "service.node.name", "log.logger", "labels.truncated",
    ])
    func `metadata with the name of a fixed field becomes a label`(name: String) throws {
        let line = try self.line(metadata: [name: "mine"])
        #expect(line.hasSuffix(#""log.logger":"server","labels.\#(name)":"mine"}"#))
    }

    @Test func `two keys never become one`() throws {
        let line = try self.line(metadata: ["message": "1", "labels.message": "2"])
        #expect(line.hasSuffix(#","labels.labels.message":"1","labels.message":"2"}"#))
    }

    @Test func `a moved key is sorted where it ends up`() throws {
        let line = try self.line(metadata: ["message": "1", "a": "2", "z": "3"])
        #expect(line.hasSuffix(#","a":"2","labels.message":"1","z":"3"}"#))
    }

    @Test func `the type of an error stands before the metadata and keeps its name`() throws {
        #expect(
            try self.line(errorType: "Some.Error", metadata: ["a": "1"]).hasSuffix(
                #","error.type":"Some.Error","a":"1"}"#))
        #expect(try self.line(metadata: ["error.type": "mine"]).hasSuffix(#","error.type":"mine"}"#))
        #expect(
            try self.line(errorType: "Some.Error", metadata: ["error.type": "mine"])
                .hasSuffix(#","error.type":"Some.Error","labels.error.type":"mine"}"#)
        )
    }

    // MARK: Escapes

    @Test(arguments: 0..<32)
    func `a control character comes back as it was`(code: UInt8) throws {
        let text = "before\(Unicode.Scalar(code))after"
        #expect(try self.message(text) == text)
        #expect(try self.value(.string(text)) as? String == text)
        #expect(try fields(self.line(metadata: [text: "value"]))[text] as? String == "value")
    }

    @Test(arguments: [
        "\"", "\\", "\"\\\"\\\\", "\\n", "/", "\u{7F}", "\u{80}", "\u{85}", "\u{9B}31m", "\u{9F}", "\u{A0}", "\u{2028}",
        "\u{2029}", "\u{2027}\u{202A}",
        "…", "é", "e\u{301}", "Grüße", "日本語", "👩‍👩‍👧‍👦", "🇨🇭", "a\u{FEFF}", "\u{FFFD}", "\u{10FFFF}", "\r\n", "", " ",
    ])
    func `a text comes back as it was`(text: String) throws {
        // By bytes: `==` would also accept another spelling of the same characters. No U+FEFF at the beginning: Foundation
        // drops it there.
        for text in [text, "before\(text)after", "\(text)\(text)"] {
            #expect(try Array(self.message(text).utf8) == Array(text.utf8))
            #expect(try (self.value(.string(text)) as? String).map { Array($0.utf8) } == Array(text.utf8))
        }
    }

    @Test func `whatever could end a line or steer a terminal is escaped`() throws {
        let line = try self.line("\u{0}\u{8}\t\n\u{B}\u{C}\r\u{1B}\u{7F}\u{85}\u{2028}\u{2029}\"\\")
        #expect(line.contains(#""message":"\u0000\b\t\n\u000b\f\r\u001b\u007f\u0085\u2028\u2029\"\\","#))
    }

    // MARK: Nesting

    @Test func `dictionaries and arrays become objects and arrays`() throws {
        let value: Logger.MetadataValue = ["z": ["1", ["b": "\"", "a": []]], "a": [:], "m": .stringConvertible(42)]
        #expect(
            try self.line(metadata: ["key": value]).hasSuffix(#","key":{"a":{},"m":"42","z":["1",{"a":[],"b":"\""}]}}"#)
        )
    }

    private func nested(_ depth: Int, inArrays: Bool) -> Logger.MetadataValue {
        (0..<depth).reduce("leaf") { value, _ in inArrays ? [value] : ["k": value] }
    }

    @Test func `eight levels are shown, and what is below is an ellipsis`() throws {
        #expect(
            try self.line(metadata: ["key": self.nested(8, inArrays: true)]).hasSuffix(
                #""key":[[[[[[[["leaf"]]]]]]]]}"#))
        #expect(
            try self.line(metadata: ["key": self.nested(9, inArrays: true)]).hasSuffix(#""key":[[[[[[[["…"]]]]]]]]}"#))
        let objects = String(repeating: #"{"k":"#, count: 8) + #""…""# + String(repeating: "}", count: 8)
        #expect(try self.line(metadata: ["key": self.nested(500, inArrays: false)]).hasSuffix(#""key":\#(objects)}"#))
    }

    // MARK: Limits

    @Test func `a message of 16 KiB is whole, one byte more is cut`() throws {
        let longest = String(repeating: "m", count: 16_384)
        #expect(try self.message(longest) == longest)
        #expect(try self.message(longest + "m") == longest + "…[cut]")
    }

    @Test func `a message of a million characters is cut`() throws {
        let text = String(repeating: "äöü€", count: 250_000)
        let message = try self.message(text)
        #expect(message.hasSuffix("…[cut]"))
        #expect(text.hasPrefix(message.dropLast("…[cut]".count)))
        #expect((16_380...16_400).contains(message.utf8.count))
    }

    @Test func `a metadata value of 4 KiB is whole, one byte more is cut`() throws {
        let longest = String(repeating: "v", count: 4096)
        #expect(try self.value(.string(longest)) as? String == longest)
        #expect(try self.value(.string(longest + "v")) as? String == longest + "…[cut]")
        #expect(try self.value(.stringConvertible(longest + "v")) as? String == longest + "…[cut]")
        #expect(try self.value([.string(longest + "v")]) as? [String] == [longest + "…[cut]"])
    }

    @Test(arguments: ["é", "€", "👍", "e\u{301}", "👩‍👩‍👧‍👦", "🇨🇭", "\r\n"])
    func `a cut never splits a character`(character: String) throws {
        // The limit falls on every byte of the character once, and on both its ends.
        for before in 0...character.utf8.count {
            let kept = String(repeating: "m", count: 16_384 - before)
            let message = try self.message(kept + character + String(repeating: "m", count: 100))
            let expected = before < character.utf8.count ? kept : kept + character
            // Compared by bytes, and not in the expectation, which would print them all.
            let isAsExpected = message.utf8.elementsEqual((expected + "…[cut]").utf8)
            #expect(isAsExpected, "\(before) bytes before the limit: \(message.suffix(20))")
        }
    }

    @Test func `a character longer than all sense is cut between two scalars`() throws {
        let message = try self.message("e" + String(repeating: "\u{301}", count: 500_000))
        #expect(message.utf8.count == 16_383 + "…[cut]".utf8.count)
    }

    @Test(arguments: ["\u{1}", "\"", "\u{85}", "\u{2028}", "\u{1}😀"])
    func `a text that grows when it is escaped still leaves room for the rest`(text: String) throws {
        let text = String(repeating: text, count: 16_384 / text.utf8.count)
        let service = LogService(name: text, version: text, environment: text, instanceID: text)
        let layout = JSONLogLayout(label: text, service: service)
        let metadata: Logger.Metadata = ["event.dataset": .string(text), "a": .string(text)]
        let fields = try fields(self.line(text, errorType: text, metadata: metadata, layout: layout))
        let message = try #require(fields["message"] as? String)
        #expect(message == text || message.hasSuffix("…[cut]"))
        #expect(Set(fields.keys).isSuperset(of: ["service.node.name", "log.logger", "error.type"]))
    }

    @Test func `a quarter of a message may be quotes`() throws {
        let text = String(repeating: "abc\"", count: 4096)
        #expect(try self.message(text) == text)
    }

    @Test func `metadata for which there is no room is left out, and the line says so`() throws {
        var metadata: Logger.Metadata = [:]
        for number in 100..<200 { metadata["key\(number)"] = .string(String(repeating: "v", count: 4000)) }
        let line = try self.line(metadata: metadata)
        let fields = try fields(line)
        #expect(line.hasSuffix(#","labels.truncated":true}"#))
        #expect(fields.keys.filter { $0.hasPrefix("key") }.sorted() == (100..<116).map { "key\($0)" })
        #expect(line.utf8.count > 60_000)
    }

    @Test func `a line is full to the last byte before anything is left out`() throws {
        let fixed = try self.line(metadata: ["a": .array([]), "b": .array([])]).utf8.count
        // Arrays of one-letter strings: four bytes each, less one comma.
        func value(ofSize size: Int) -> Logger.MetadataValue {
            .array(
                [.string(String(repeating: "x", count: size % 4 + 1))]
                    + (0..<(size - size % 4) / 4 - 1).map { _ in "x" })
        }
        // The limit, less its newline and the mark that may have to follow.
        let room = 65_536 - 1 - #","labels.truncated":true"#.utf8.count - fixed
        let fits = try self.line(metadata: ["a": value(ofSize: 30_001), "b": value(ofSize: room - 30_000 + 1)])
        #expect(fits.utf8.count == 65_536 - 1 - #","labels.truncated":true"#.utf8.count)
        #expect(!fits.contains("truncated"))
        let tooMuch = try self.line(metadata: ["a": value(ofSize: 30_001), "b": value(ofSize: room - 30_000 + 2)])
        #expect(tooMuch.hasSuffix(#"],"labels.truncated":true}"#))
        #expect(try fields(tooMuch)["b"] == nil)
    }

    @Test func `a single value that is too large is left out`() throws {
        let values: [Logger.MetadataValue] = [
            .array(Array(repeating: "element", count: 100_000)),
            .dictionary(Dictionary(uniqueKeysWithValues: (0..<100_000).map { ("key\($0)", "value") })),
            .array(Array(repeating: .array(Array(repeating: "element", count: 1000)), count: 1000)),
        ]
        for value in values {
            #expect(
                try self.line(metadata: ["a": "kept", "b": value]).hasSuffix(#","a":"kept","labels.truncated":true}"#))
        }
    }

    @Test func `a key is cut as well`() throws {
        let key = String(repeating: "k", count: 1_000_000)
        #expect(
            try fields(self.line(metadata: ["a": "kept", key: "value"])).keys.contains(key.prefix(32_768) + "…[cut]"))
    }
}
