// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a settings file says, whether it is YAML or JSON, with values as they are written.
indirect enum SettingsNode {
    enum Kind { case text, number, boolean, null, other }

    struct Entry {
        let key: String
        let line: Int
        let node: SettingsNode
    }

    /// No setting is that deep.
    static let deepest = 16

    case scalar(Kind, String)
    case mapping([Entry])
    case sequence
}

/// Where and why a file cannot be understood. The problem never repeats what is in the file.
struct SettingsSyntaxError: Error {
    let line: Int
    let column: Int
    let problem: String
}
