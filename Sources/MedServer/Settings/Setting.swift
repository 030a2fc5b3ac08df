// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One thing that an operator can set: its names, what it accepts, what it means.
///
/// Reading, options, the check for unknown keys, `medbuilder config` and the table in the README are all made from
/// ``all``, so that none of them can know a setting that another one does not.
public struct Setting: Sendable, Equatable {
    /// What holds when nobody sets it.
    public enum Default: Sendable, Equatable {
        /// This value.
        case fixed(String)
        /// A value that depends on other settings; the text says how.
        case dependent(String)

        /// The default in words, for people.
        public var text: String {
            switch self {
            case .fixed(let text), .dependent(let text): text
            }
        }
    }

    /// What a value must look like.
    public enum Rule: Sendable, Equatable {
        case wholeNumber(ClosedRange<Int>)
        case seconds(ClosedRange<Duration>)
        case oneOf([String])
        /// A text; the words say which, and where it is read it is held to them.
        case text(String)

        static let onOff = Rule.oneOf(["on", "off"])

        /// The rule as it ends the sentence "it must be …".
        public var text: String {
            switch self {
            case .wholeNumber(let range):
                "a whole number from \(range.lowerBound) to \(range.upperBound)"
            case .seconds(let range):
                "a number of seconds from \(range.lowerBound.secondsText) to \(range.upperBound.secondsText)"
            case .oneOf(let choices):
                choices.dropLast().joined(separator: ", ") + " or " + choices.suffix(1).joined()
            case .text(let words):
                words
            }
        }
    }

    /// The key in a file, such as `shutdown.graceSeconds`.
    public let key: String
    /// The environment variable, such as `SHUTDOWN_GRACE_SECONDS`.
    public let environmentName: String
    /// What a value must look like.
    public let rule: Rule
    /// What holds when nobody sets it.
    public let defaultValue: Default
    /// Whether the value is never printed, and not accepted as an option: anyone can read the arguments of a process.
    public let isSecret: Bool
    /// What it is for, in one sentence.
    public let meaning: String

    /// The option, such as `--shutdown-grace-seconds`.
    public var option: String {
        "--" + self.environmentName.lowercased().replacing("_", with: "-")
    }

    init(
        _ key: String,
        _ environmentName: String,
        _ rule: Rule,
        default defaultValue: Default,
        isSecret: Bool = false,
        meaning: String
    ) {
        self.key = key
        self.environmentName = environmentName
        self.rule = rule
        self.defaultValue = defaultValue
        self.isSecret = isSecret
        self.meaning = meaning
    }
}
