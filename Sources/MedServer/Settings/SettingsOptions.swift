// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The settings among the arguments of a command: `--config FILE`, and `--KEY VALUE` or `--KEY=VALUE` for each setting
/// that is not a secret.
///
/// ```swift
/// let options = try SettingsOptions(parsing: ["--port", "0", "--log-level=debug"])
/// let settings = try Settings.load(environment: environment, options: options)
/// ```
public struct SettingsOptions: Sendable, Equatable {
    private static let config = "--config"

    /// The file to read settings from.
    public private(set) var configFile: String?
    /// The values, by key.
    private(set) var values: [String: String] = [:]

    /// No options.
    public init() {}

    /// Reads all arguments, and refuses whatever is not a setting. Values are not checked here.
    public init(parsing arguments: [String]) throws(OptionError) {
        var rest = arguments.enumerated().makeIterator()
        while let (index, argument) = rest.next() {
            guard argument.hasPrefix("-") else { throw .strayArgument(position: index + 1) }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = parts[0]
            let setting = try Self.setting(named: name)
            guard let value = parts.count == 2 ? parts[1] : rest.next()?.element,
                parts.count == 2 || !value.hasPrefix("--")
            else { throw .missingValue(name) }

            if let setting {
                guard self.values.updateValue(value, forKey: setting.key) == nil else { throw .repeatedOption(name) }
            } else {
                guard !value.isEmpty else { throw .missingValue(name) }
                guard self.configFile == nil else { throw .repeatedOption(name) }
                self.configFile = value
            }
        }
    }

    /// The setting that an option names; none for `--config`.
    private static func setting(named name: String) throws(OptionError) -> Setting? {
        if name == Self.config { return nil }
        guard let setting = Setting.all.first(where: { $0.option == name }) else {
            let known = Setting.all.filter { !$0.isSecret }.map(\.option) + [Self.config]
            throw .unknownOption(name, nearest: nearestName(to: name, in: known))
        }
        guard !setting.isSecret else { throw .secretOption(setting) }
        return setting
    }
}
