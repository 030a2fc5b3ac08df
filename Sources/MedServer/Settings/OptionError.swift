// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why the arguments of a command cannot be understood.
///
/// A value that was given is never repeated, since it may be a secret in the wrong place.
public struct OptionError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case unknownOption, missingValue, secretOption, repeatedOption, strayArgument }
        private let value: Value

        /// There is no such option.
        public static let unknownOption = Code(value: .unknownOption)
        /// The option is not followed by a value.
        public static let missingValue = Code(value: .missingValue)
        /// The setting is a secret, which arguments are no place for.
        public static let secretOption = Code(value: .secretOption)
        /// The option is given more than once.
        public static let repeatedOption = Code(value: .repeatedOption)
        /// An argument is neither an option nor the value of one.
        public static let strayArgument = Code(value: .strayArgument)
    }

    /// Branch on this.
    public let code: Code
    /// Show this.
    public let description: String

    static func unknownOption(_ name: String, nearest: String?) -> Self {
        let hint = nearest.map { "did you mean \($0)?" } ?? "`medbuilder config` lists the settings."
        return Self(code: .unknownOption, description: "\(name.printable) is not an option; \(hint)")
    }

    static func missingValue(_ name: String) -> Self {
        Self(code: .missingValue, description: "\(name) needs a value, as in `\(name) VALUE` or `\(name)=VALUE`.")
    }

    static func secretOption(_ setting: Setting) -> Self {
        Self(
            code: .secretOption,
            description: "\(setting.option) is not accepted, because others can read the arguments of a process; "
                + "set \(setting.environmentName) in the environment, or \(setting.key) in a file."
        )
    }

    static func repeatedOption(_ name: String) -> Self {
        Self(code: .repeatedOption, description: "\(name) is given more than once.")
    }

    static func strayArgument(position: Int) -> Self {
        Self(
            code: .strayArgument,
            description:
                "Argument \(position) is neither an option nor the value of one; options are written `--port 5000`."
        )
    }
}
