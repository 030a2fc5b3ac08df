// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTesting
import Testing

/// The harness is what all other tests here rest on.
@Suite struct HarnessTests {
    @Test func `keys keep the order of the text`() throws {
        let json = try OrderedJSON(#" {"b":{"z":[1,{"q":2}],"a":"\u00e4\ud83d\ude00\n"},"a":null,"c":-1.5e3} "#)
        #expect(json.keyPaths == ["b", "b.z", "b.a", "a", "c"])
        #expect(json.value(at: "b.a")?.string == "ä😀\n")
        #expect(json["c"] == .number("-1.5e3"))
    }

    @Test func `a dotted key is found nested or not`() throws {
        #expect(try OrderedJSON(#"{"log.level":"info"}"#).value(at: "log.level")?.string == "info")
        #expect(try OrderedJSON(#"{"log":{"level":"info"}}"#).value(at: "log.level")?.string == "info")
    }

    @Test(arguments: [
        #"{"a":1,"a":2}"#, #"{"a":1,}"#, "{} {}", "[01]", #""\ud800""#, "", "{", "nul", #"{"a" 1}"#, "\"\u{1}\"",
    ])
    func `what is not exactly one JSON value is refused`(text: String) {
        #expect(throws: HarnessError.self) { try OrderedJSON(text) }
    }
}
