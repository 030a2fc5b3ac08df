// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import FoundationEssentials

/// A key that PHI is encrypted with: 32 bytes, for AES-256-GCM.
///
/// It prints as `‹key›` wherever it ends up, and nothing outside this module can reach its bytes:
///
/// ```swift
/// let key = try PHIKey(base64: text)
/// print("using \(key)")                // using ‹key›
/// try CipherSelfTest().run(key: key)
/// ```
public struct PHIKey: Sendable, Equatable {
    /// For the ciphers of this module.
    let symmetricKey: SymmetricKey

    /// Reads a key as `openssl rand -base64 32` prints it: 44 characters, and at most one newline after them.
    ///
    /// The reading is strict, so that a key has one spelling: no other white space, no URL alphabet, no missing padding.
    public init(base64 text: String) throws(PHIKeyError) {
        var characters = Array(text.utf8)
        if characters.last == UInt8(ascii: "\n") { characters.removeLast() }
        // The decoder ignores surplus bits of the last character; comparing with the encoder's spelling does not.
        guard let bytes = Data(base64Encoded: Data(characters)),
            bytes.base64EncodedData().elementsEqual(characters)
        else {
            throw .notBase64
        }
        guard bytes.count == CipherSelfTest.keyLength else {
            throw .wrongLength(byteCount: bytes.count)
        }
        guard Set(bytes).count > 1 else {
            throw .degenerate
        }
        self.symmetricKey = SymmetricKey(data: bytes)
    }

    private init(symmetricKey: SymmetricKey) {
        self.symmetricKey = symmetricKey
    }

    /// Whether the key in memory has the length that the cipher needs.
    public var hasCipherLength: Bool { self.symmetricKey.bitCount == CipherSelfTest.keyLength * 8 }

    /// A new key from the system's randomness.
    public static func generate() -> PHIKey {
        PHIKey(symmetricKey: SymmetricKey(size: .bits256))
    }

    /// The key itself, as ``init(base64:)`` reads it. For writing a key file, and for nothing else.
    package func base64ForKeyFile() -> String {
        self.symmetricKey.withUnsafeBytes { Data($0).base64EncodedString() }
    }
}

extension PHIKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "‹key›" }
    public var debugDescription: String { "‹key›" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
