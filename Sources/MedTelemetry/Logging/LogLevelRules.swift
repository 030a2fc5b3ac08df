// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging

/// Which level the loggers of which names have: `info,clinic=debug,clinic.access=warning`.
///
/// The level that stands alone is for all others. A rule holds for every logger whose name begins like that; of several,
/// the longest wins.
public struct LogLevelRules: Sendable, Equatable, CustomStringConvertible {
    /// The level of loggers that no rule is for; `nil` leaves it to the rules below these.
    public var defaultLevel: Logger.Level?
    /// Beginnings of names, and the levels of their loggers.
    public var levels: [String: Logger.Level]

    /// The most bytes of a text: a body of a request may be one.
    public static let maximumLength = 8192

    /// Rules of these levels.
    public init(defaultLevel: Logger.Level? = nil, levels: [String: Logger.Level] = [:]) {
        self.defaultLevel = defaultLevel
        self.levels = levels
    }

    /// Reads the text form. White space around names and levels does not count; levels are `trace`, `debug`, `info`,
    /// `notice`, `warning`, `error` and `critical`, in any case.
    public init(_ text: String) throws(LogLevelRulesError) {
        self.init()
        guard text.utf8.count <= Self.maximumLength else {
            throw LogLevelRulesError(mistakes: [
                "The levels are \(text.utf8.count) bytes long; at most \(Self.maximumLength) are read."
            ])
        }
        var mistakes: [String] = []
        for (position, entry) in text.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(Self.trimmed)
            let number = position + 1
            let levelName = parts.last ?? ""
            if parts == [""] {
                mistakes.append("Entry \(number) is empty.")
                continue
            }
            guard let level = Logger.Level(levelName) else {
                mistakes.append(
                    "Entry \(number): '\(Self.quoted(levelName))' is no level; use trace, debug, info, notice, warning, "
                        + "error or critical.")
                continue
            }
            guard parts.count == 2 else {
                if self.defaultLevel != nil {
                    mistakes.append("Entry \(number): a level for all loggers is given a second time.")
                }
                self.defaultLevel = level
                continue
            }
            let name = parts[0]
            if name.isEmpty {
                mistakes.append("Entry \(number) has no name before '='.")
            } else if !name.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }) {
                mistakes.append(
                    "Entry \(number): a name has only visible characters of ASCII, and neither quotes nor backslashes.")
            } else if self.levels.updateValue(level, forKey: name) != nil {
                mistakes.append("Entry \(number): '\(Self.quoted(name))' is given a second time.")
            }
        }
        guard mistakes.isEmpty else { throw LogLevelRulesError(mistakes: mistakes) }
    }

    /// The text form, with the names in their order.
    public var description: String {
        let rules = self.levels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return ((self.defaultLevel.map { [$0.rawValue] } ?? []) + rules).joined(separator: ",")
    }

    /// The level that these rules give to a logger; `nil` if they have none.
    func level(forLabel label: String) -> Logger.Level? {
        self.levels.filter { label.utf8.starts(with: $0.key.utf8) }
            .max { $0.key.utf8.count < $1.key.utf8.count }?.value ?? self.defaultLevel
    }

    private static func trimmed(_ text: Substring) -> String {
        let start = text.firstIndex { !$0.isWhitespace } ?? text.endIndex
        let end = text.lastIndex { !$0.isWhitespace }.map(text.index(after:)) ?? text.endIndex
        return start < end ? String(text[start..<end]) : ""
    }

    /// What somebody wrote, as far as it helps to find it, and with nothing that steers a terminal.
    private static func quoted(_ text: String) -> String {
        let start = String(
            text.unicodeScalars.prefix(40).map {
                $0.properties.isPatternWhitespace || $0.value < 0x20 || (0x7F..<0xA0).contains($0.value)
                    ? "?" : Character($0)
            })
        return start.utf8.count < text.utf8.count ? start + "…" : start
    }
}
