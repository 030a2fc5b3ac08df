// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a text is not a PHI key. Descriptions never contain key material, so they are safe to log.
public struct PHIKeyError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case notBase64, wrongLength, degenerate }
        private let value: Value

        /// The text is not base64, or has white space around it.
        public static let notBase64 = Code(value: .notBase64)
        /// The key does not have the length that the cipher needs.
        public static let wrongLength = Code(value: .wrongLength)
        /// Every byte of the key is the same, as in a placeholder of zeros.
        public static let degenerate = Code(value: .degenerate)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    private static let advice = "Make a key with `openssl rand -base64 32`."

    static let notBase64 = Self(
        code: .notBase64,
        description: "The PHI key is not base64: 44 characters are expected, the last of them '=', with no spaces. "
            + advice
    )

    static func wrongLength(byteCount: Int) -> Self {
        Self(
            code: .wrongLength,
            description: "The PHI key is \(byteCount) bytes long; AES-256-GCM needs exactly 32. \(advice)"
        )
    }

    static let degenerate = Self(
        code: .degenerate,
        description: "The PHI key is one byte repeated 32 times, which anyone can guess. \(advice)"
    )
}
