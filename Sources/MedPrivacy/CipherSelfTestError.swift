// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What ``CipherSelfTest`` found wrong. Descriptions never contain key material, so they are safe to log.
public struct CipherSelfTestError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case roundTrip, forgeryAccepted, knownAnswer }
        private let value: Value

        /// An encrypted message could not be read back.
        public static let roundTrip = Code(value: .roundTrip)
        /// Something that was never encrypted opened.
        public static let forgeryAccepted = Code(value: .forgeryAccepted)
        /// The published test vector came out differently.
        public static let knownAnswer = Code(value: .knownAnswer)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    private static let advice = "Do not store PHI with this build or on this machine."

    static let roundTrip = Self(
        code: .roundTrip,
        description: "The self-test of AES-256-GCM failed: an encrypted message could not be read back. \(advice)"
    )

    static func forgeryAccepted(_ forgery: String) -> Self {
        Self(
            code: .forgeryAccepted,
            description: "The self-test of AES-256-GCM failed: \(forgery) was accepted. \(advice)"
        )
    }

    static let knownAnswer = Self(
        code: .knownAnswer,
        description: "The self-test of AES-256-GCM failed: the published test vector came out differently. \(advice)"
    )
}
