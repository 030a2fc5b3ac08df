// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import FoundationEssentials

/// Shows that PHI can be encrypted and read back right now, with the key in force. The encryption health check runs it.
///
/// A run does real AES-256-GCM: a random message survives encryption and decryption, a changed ciphertext and wrong
/// associated data do not open, and a published test vector comes out bit for bit. The last part is what tells a
/// correct cipher from one that merely undoes its own mistakes. It takes microseconds and touches nothing but memory.
public struct CipherSelfTest: Sendable {
    /// The cipher's name as `/health` shows it.
    public static let algorithm = "aes-256-gcm"
    /// The length of its keys in bytes.
    public static let keyLength = 32

    private let cipher: SelfTestCipher
    private let knownAnswer: KnownAnswer

    /// A test of the cipher that PHI is encrypted with.
    public init() {
        self.init(cipher: .aesGCM, knownAnswer: .gcmTestCase16)
    }

    /// A test of another cipher or against another answer, to show that the test can fail.
    init(cipher: SelfTestCipher = .aesGCM, knownAnswer: KnownAnswer = .gcmTestCase16) {
        self.cipher = cipher
        self.knownAnswer = knownAnswer
    }

    /// Returns if everything is as it should be, and says what is not otherwise.
    public func run(key: PHIKey) throws(CipherSelfTestError) {
        try self.checkRoundTrip(key: key.symmetricKey)
        try self.checkKnownAnswer()
    }

    private func checkRoundTrip(key: SymmetricKey) throws(CipherSelfTestError) {
        let message = Self.randomBytes(count: 64)
        let associatedData = Self.randomBytes(count: 16)
        let box: AES.GCM.SealedBox
        do {
            box = try self.cipher.seal(message, key, AES.GCM.Nonce(), associatedData)
            guard try self.cipher.open(box, key, associatedData) == message else { throw CipherSelfTestError.roundTrip }
        } catch {
            throw .roundTrip
        }

        let ciphertext = Self.flippingOneBit(of: box.ciphertext)
        if let forged = try? AES.GCM.SealedBox(nonce: box.nonce, ciphertext: ciphertext, tag: box.tag),
            (try? self.cipher.open(forged, key, associatedData)) != nil
        {
            throw .forgeryAccepted("a ciphertext with a flipped bit")
        }
        if (try? self.cipher.open(box, key, Self.flippingOneBit(of: associatedData))) != nil {
            throw .forgeryAccepted("a ciphertext with other associated data")
        }
    }

    private func checkKnownAnswer() throws(CipherSelfTestError) {
        let answer = self.knownAnswer
        let key = SymmetricKey(data: answer.key)
        let associatedData = Data(answer.associatedData)
        do {
            let nonce = try AES.GCM.Nonce(data: answer.nonce)
            let sealed = try self.cipher.seal(Data(answer.message), key, nonce, associatedData)
            guard sealed.ciphertext.elementsEqual(answer.ciphertext), sealed.tag.elementsEqual(answer.tag) else {
                throw CipherSelfTestError.knownAnswer
            }
            let published = try AES.GCM.SealedBox(nonce: nonce, ciphertext: answer.ciphertext, tag: answer.tag)
            guard try self.cipher.open(published, key, associatedData).elementsEqual(answer.message) else {
                throw CipherSelfTestError.knownAnswer
            }
        } catch {
            throw .knownAnswer
        }
    }

    private static func randomBytes(count: Int) -> Data {
        Data((0..<count).map { _ in UInt8.random(in: .min ... .max) })
    }

    private static func flippingOneBit(of data: Data) -> Data {
        var bytes = Array(data)
        bytes[Int.random(in: bytes.indices)] ^= 1 << UInt8.random(in: 0..<8)
        return Data(bytes)
    }
}
