// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Where the value of a setting came from.
public enum SettingOrigin: Sendable, Equatable {
    case builtIn
    case environment
    case file(path: String, line: Int)
    case option

    /// The origin in one or two words, for `medbuilder config`.
    public var text: String {
        switch self {
        case .builtIn: "default"
        case .environment: "environment"
        case .file(let path, let line): "\(path.printable) line \(line)"
        case .option: "option"
        }
    }

    /// The origin as the place that an operator has to change.
    func place(of setting: Setting) -> String {
        switch self {
        case .builtIn: "the default"
        case .environment: setting.environmentName
        case .file: self.text
        case .option: setting.option
        }
    }
}
