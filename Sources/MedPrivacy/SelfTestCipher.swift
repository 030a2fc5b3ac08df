// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import FoundationEssentials

/// The two operations that ``CipherSelfTest`` tests; a broken pair is how its own tests show that it notices.
struct SelfTestCipher: Sendable {
    /// Encrypts a message; the associated data is authenticated with it.
    var seal:
        @Sendable (_ message: Data, SymmetricKey, AES.GCM.Nonce, _ associatedData: Data) throws
            -> AES.GCM.SealedBox
    /// Decrypts a box, or throws if box or associated data are not what was sealed.
    var open: @Sendable (AES.GCM.SealedBox, SymmetricKey, _ associatedData: Data) throws -> Data

    /// The real one.
    static let aesGCM = SelfTestCipher(
        seal: { message, key, nonce, associatedData in
            try AES.GCM.seal(message, using: key, nonce: nonce, authenticating: associatedData)
        },
        open: { box, key, associatedData in
            try AES.GCM.open(box, using: key, authenticating: associatedData)
        }
    )
}
