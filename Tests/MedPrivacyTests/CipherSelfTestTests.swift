// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import Testing

@testable import MedPrivacy

@Suite struct CipherSelfTestTests {
    let key = PHIKey.generate()

    private func failure(
        of cipher: SelfTestCipher = .aesGCM, against answer: KnownAnswer = .gcmTestCase16
    ) -> CipherSelfTestError? {
        #expect(throws: CipherSelfTestError.self) {
            try CipherSelfTest(cipher: cipher, knownAnswer: answer).run(key: self.key)
        }
    }

    @Test func `it passes with any key`() throws {
        for _ in 0..<50 {
            try CipherSelfTest().run(key: .generate())
        }
    }

    @Test func `it names the cipher of the contract`() {
        #expect(CipherSelfTest.algorithm == "aes-256-gcm")
        #expect(CipherSelfTest.keyLength == 32)
    }

    @Test(
        arguments: [
            \KnownAnswer.key, \.nonce, \.message, \.associatedData, \.ciphertext, \.tag,
        ] as [any WritableKeyPath<KnownAnswer, [UInt8]> & Sendable])
    func `one wrong bit anywhere in the vector is noticed`(part: any WritableKeyPath<KnownAnswer, [UInt8]> & Sendable) {
        var answer = KnownAnswer.gcmTestCase16
        answer[keyPath: part][3] ^= 0x10
        #expect(self.failure(against: answer)?.code == .knownAnswer)
    }

    @Test func `a cipher that only undoes its own mistakes is noticed`() {
        // It changes the associated data both ways, so its own messages survive.
        var cipher = SelfTestCipher.aesGCM
        cipher.seal = { try AES.GCM.seal($0, using: $1, nonce: $2, authenticating: $3 + [0]) }
        cipher.open = { try AES.GCM.open($0, using: $1, authenticating: $2 + [0]) }
        #expect(self.failure(of: cipher)?.code == .knownAnswer)
    }

    @Test func `a cipher that seals right and opens the published vector wrong is noticed`() {
        let published = Data(KnownAnswer.gcmTestCase16.message)
        var cipher = SelfTestCipher.aesGCM
        cipher.open = { box, key, associatedData in
            let message = try AES.GCM.open(box, using: key, authenticating: associatedData)
            return message == published ? Data() : message
        }
        #expect(self.failure(of: cipher)?.code == .knownAnswer)
    }

    @Test(arguments: [true, false])
    func `a cipher that seals the published message wrong is noticed`(wrongTag: Bool) {
        let published = Data(KnownAnswer.gcmTestCase16.message)
        var cipher = SelfTestCipher.aesGCM
        cipher.seal = { message, key, nonce, associatedData in
            let box = try AES.GCM.seal(message, using: key, nonce: nonce, authenticating: associatedData)
            guard message == published else { return box }
            let ciphertext = wrongTag ? box.ciphertext : Data(box.ciphertext.reversed())
            let tag = wrongTag ? Data(box.tag.reversed()) : box.tag
            return try AES.GCM.SealedBox(nonce: nonce, ciphertext: ciphertext, tag: tag)
        }
        #expect(self.failure(of: cipher)?.code == .knownAnswer)
    }

    @Test func `a cipher that does not give the message back is noticed`() {
        var cipher = SelfTestCipher.aesGCM
        cipher.open = { Data(try AES.GCM.open($0, using: $1, authenticating: $2).dropFirst()) }
        #expect(self.failure(of: cipher)?.code == .roundTrip)
    }

    @Test func `a cipher that refuses to work is noticed`() {
        var cipher = SelfTestCipher.aesGCM
        cipher.seal = { _, _, _, _ in throw CryptoKitError.incorrectKeySize }
        #expect(self.failure(of: cipher)?.code == .roundTrip)
    }

    @Test func `a cipher that opens a changed ciphertext is noticed`() {
        var cipher = SelfTestCipher.aesGCM
        cipher.open = { (try? AES.GCM.open($0, using: $1, authenticating: $2)) ?? Data() }
        let error = self.failure(of: cipher)
        #expect(error?.code == .forgeryAccepted)
        #expect(error?.description.contains("flipped bit") == true)
    }

    @Test func `a cipher that ignores the associated data is noticed`() {
        var cipher = SelfTestCipher.aesGCM
        cipher.seal = { message, key, nonce, _ in try AES.GCM.seal(message, using: key, nonce: nonce) }
        cipher.open = { box, key, _ in try AES.GCM.open(box, using: key) }
        let error = self.failure(of: cipher)
        #expect(error?.code == .forgeryAccepted)
        #expect(error?.description.contains("associated data") == true)
    }
}
