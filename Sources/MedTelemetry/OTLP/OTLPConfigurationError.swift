// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why the settings of OpenTelemetry cannot be used. It names variables, and shows no value that could be a secret.
public struct OTLPConfigurationError: Error, Equatable, CustomStringConvertible {
    /// One sentence for each mistake.
    public let mistakes: [String]

    public var description: String { self.mistakes.joined(separator: "\n") }
}
