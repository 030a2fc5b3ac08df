// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The mistakes in the settings, all of them. No sentence contains a secret.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A sentence for each mistake: which setting, what is wrong, what it must be. Never empty.
    public let mistakes: [String]

    /// The mistakes, one a line.
    public var description: String { self.mistakes.joined(separator: "\n") }
}
