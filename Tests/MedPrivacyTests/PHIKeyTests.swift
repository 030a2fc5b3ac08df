// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedPrivacy
import Testing

@Suite struct PHIKeyTests {
    /// The bytes 0 to 31.
    static let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    static func base64(byteCount: Int) -> String {
        Data((0..<byteCount).map { UInt8($0) }).base64EncodedString()
    }

    @Test(arguments: [text, text + "\n"])
    func `a key is read from base64, with or without a final newline`(text: String) throws {
        let key = try PHIKey(base64: text)
        #expect(key.base64ForKeyFile() == Self.text)
    }

    @Test(arguments: [
        " " + text, text + " ", text + "\n\n", text + "\r\n", "\n" + text,  // white space
        String(text.dropLast()), text + "=", text + "A",  // wrong padding
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",  // surplus bits: a second spelling of the same bytes
        "--__AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",  // the URL alphabet
        "off", "pässword", "AAECAwQFBgcICQoLDA0ODxAREhMU\nFRYXGBkaGxwdHh8=", "\u{0}",
    ])
    func `what is not strict base64 is refused`(text: String) {
        let error = #expect(throws: PHIKeyError.self) { try PHIKey(base64: text) }
        #expect(error?.code == .notBase64)
    }

    @Test(arguments: [0, 1, 16, 31, 33, 48, 64])
    func `a key of another length is refused with its length`(byteCount: Int) {
        let error = #expect(throws: PHIKeyError.self) { try PHIKey(base64: Self.base64(byteCount: byteCount)) }
        #expect(error?.code == .wrongLength)
        #expect(error?.description.contains("is \(byteCount) bytes long") == true)
    }

    @Test(arguments: [0, 0x41, 0xFF] as [UInt8])
    func `a key of one repeated byte is refused`(byte: UInt8) {
        let text = Data(repeating: byte, count: 32).base64EncodedString()
        let error = #expect(throws: PHIKeyError.self) { try PHIKey(base64: text) }
        #expect(error?.code == .degenerate)
    }

    @Test func `an error does not contain the text`() {
        for text in ["c2VjcmV0c2VjcmV0", "c2VjcmV0c2VjcmV0*", Data(repeating: 0x73, count: 32).base64EncodedString()] {
            let error = #expect(throws: PHIKeyError.self) { try PHIKey(base64: text) }
            #expect(error.map { "\($0)" }?.contains(text) == false)
            #expect(error?.description.contains("secret") == false)
        }
    }

    @Test func `generated keys differ and are read back as themselves`() throws {
        let keys = (0..<100).map { _ in PHIKey.generate() }
        #expect(Set(keys.map { $0.base64ForKeyFile() }).count == keys.count)
        for key in keys {
            #expect(try PHIKey(base64: key.base64ForKeyFile()) == key)
        }
    }

    @Test func `a key prints as a placeholder wherever it ends up`() {
        struct Holder { let key = PHIKey.generate() }
        let holder = Holder()
        var dumped = ""
        dump(holder, to: &dumped)

        #expect("\(holder.key)" == "‹key›")
        #expect(String(reflecting: holder.key) == "‹key›")
        #expect("\(Optional(holder.key) as Any)" == "Optional(‹key›)")
        #expect("\([holder.key])" == "[‹key›]")
        #expect("\(holder)".hasSuffix("Holder(key: ‹key›)"))
        #expect(dumped.split(separator: "\n").count == 2)
        #expect(dumped.contains("key: ‹key›"))
        #expect(Mirror(reflecting: holder.key).children.isEmpty)
    }
}
