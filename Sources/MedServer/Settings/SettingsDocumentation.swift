// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The settings as documentation shows them.
public enum SettingsDocumentation {
    /// A Markdown table of all settings, which stands between the markers `<!-- settings:begin -->` and
    /// `<!-- settings:end -->`. A test compares it with the documents.
    public static func markdownTable() -> String {
        var lines = ["| Key | Environment | Option | Accepts | Default | Meaning |", "|---|---|---|---|---|---|"]
        for setting in Setting.all {
            let cells = [
                "`\(setting.key)`", "`\(setting.environmentName)`",
                setting.isSecret ? "none: a secret" : "`\(setting.option)`",
                setting.rule.text, setting.defaultValue.markdown, setting.meaning,
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }
}

extension Setting.Default {
    fileprivate var markdown: String {
        switch self {
        case .fixed(let value): "`\(value)`"
        case .dependent(let words): words
        }
    }
}
