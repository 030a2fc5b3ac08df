// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How long to wait before a request is sent once more: twice as long every time, and not all processes at once.
enum OTLPBackOff {
    static let first = Duration.seconds(1)
    static let longest = Duration.seconds(30)
    /// How often one body is sent at most.
    static let attempts = 10

    /// - Parameters:
    ///   - attempt: 1 after the first failure.
    ///   - random: 0...1.
    static func pause(attempt: Int, random: Double) -> Duration {
        min(Self.first * (1 << min(attempt - 1, 10)), Self.longest) * (0.5 + 0.5 * random)
    }
}
