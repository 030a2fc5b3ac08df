// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a text is no rules for levels: every mistake in it, not only the first.
public struct LogLevelRulesError: Error, Equatable, CustomStringConvertible {
    /// One sentence each, in the order of the entries. They quote at most 40 characters of a name or level.
    public let mistakes: [String]

    /// All of them, a space between two.
    public var description: String { self.mistakes.joined(separator: " ") }

    init(mistakes: [String]) {
        self.mistakes = mistakes
    }
}
