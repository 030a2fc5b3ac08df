// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Configuration

/// Reads settings one by one and collects every mistake on the way.
///
/// swift-configuration finds the value; a mistaken one it would replace by the default without a word. Here the default
/// only stands in until all mistakes are known, and ``finish()`` then throws them.
struct SettingsReader {
    /// Why a value is refused: the end of a sentence.
    struct Refusal: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
        init(_ rule: Setting.Rule) { self.reason = "it must be \(rule.text)" }
    }

    private enum Source { case options, file, environment }

    private struct Given {
        let text: String
        let origin: SettingOrigin
    }

    private let reader: ConfigReader
    private let sources: [(source: Source, provider: any ConfigProvider)]
    private let file: SettingsFile?
    private var mistaken: Set<String>
    private var mistakes: [String]
    private var inForce: [SettingInForce] = []

    init(environment: [String: String], options: SettingsOptions) {
        let file = options.configFile.map(SettingsFile.init(path:))
        // Strongest first.
        self.sources = [
            (.options, InMemoryProvider(name: "options", strings: options.values)),
            (.file, InMemoryProvider(name: "file", strings: file?.values.mapValues(\.text) ?? [:])),
            (.environment, EnvironmentVariablesProvider(settingsIn: environment)),
        ]
        self.reader = ConfigReader(providers: self.sources.map(\.provider))
        self.file = file
        self.mistaken = file?.malformed ?? []
        self.mistakes = file?.mistakes ?? []
    }

    /// Whether values were given for all of these, or for those without one the default holds, and none is refused.
    ///
    /// Rules between settings ask this first, so that one mistake is reported once.
    func areSound(_ settings: Setting...) -> Bool {
        self.file?.isUnreadable != true && settings.allSatisfy { !self.mistaken.contains($0.key) }
    }

    /// The origin of what is in force.
    func origin(of setting: Setting) -> SettingOrigin { self.given(setting)?.origin ?? .builtIn }

    /// Refuses the value that is given; `reason` ends the sentence.
    mutating func refuse(_ setting: Setting, _ reason: String) {
        self.mistaken.insert(setting.key)
        let place = self.origin(of: setting).place(of: setting)
        if setting.isSecret {
            self.reject("\(setting.key) (from \(place)) is refused: \(reason).")
        } else {
            self.reject(
                "\(setting.key) is \"\(self.given(setting)?.text.printable ?? "")\" (from \(place)); \(reason).")
        }
    }

    /// Demands that a setting is given.
    mutating func require(_ setting: Setting, in environment: AppEnvironment) {
        guard self.areSound(setting), self.given(setting) == nil else { return }
        self.reject("\(setting.key) (\(setting.environmentName)) is not set; in \(environment.rawValue) it must be.")
    }

    /// Adds a mistake that is not that of a single value.
    mutating func reject(_ sentence: String) { self.mistakes.append(sentence) }

    /// Everything that was read, unless there was a mistake.
    func finish() throws(SettingsError) -> [SettingInForce] {
        guard self.mistakes.isEmpty else { throw SettingsError(mistakes: self.mistakes) }
        return self.inForce
    }

    mutating func wholeNumber(_ setting: Setting) -> Int {
        self.value(setting) { (text) throws(Refusal) in try Self.wholeNumber(text, for: setting) }
    }

    mutating func optionalWholeNumber(_ setting: Setting) -> Int? {
        self.optionalValue(setting) { (text) throws(Refusal) in try Self.wholeNumber(text, for: setting) }
    }

    private static func wholeNumber(_ text: String, for setting: Setting) throws(Refusal) -> Int {
        guard case .wholeNumber(let range) = setting.rule, let number = SettingText.wholeNumber(text), range ~= number
        else { throw Refusal(setting.rule) }
        return number
    }

    mutating func seconds(_ setting: Setting) -> Duration {
        self.value(setting) { (text) throws(Refusal) in
            guard case .seconds(let range) = setting.rule, let seconds = SettingText.seconds(text), range ~= seconds
            else { throw Refusal(setting.rule) }
            return seconds
        }
    }

    mutating func choice<Choice: RawRepresentable<String>>(_ setting: Setting, default fallback: Choice? = nil)
        -> Choice
    {
        self.value(setting, default: fallback?.rawValue) { (text) throws(Refusal) in
            guard let choice = Choice(rawValue: text) else { throw Refusal(setting.rule) }
            return choice
        }
    }

    mutating func isOn(_ setting: Setting) -> Bool {
        self.value(setting) { (text) throws(Refusal) in
            guard ["on", "off"].contains(text) else { throw Refusal(setting.rule) }
            return text == "on"
        }
    }

    /// A setting that has a default; a dependent one is named by who reads it.
    mutating func value<Value>(
        _ setting: Setting,
        default fallback: String? = nil,
        parse: (String) throws(Refusal) -> Value
    ) -> Value {
        let text =
            switch setting.defaultValue {
            case .fixed(let text): text
            case .dependent: fallback
            }
        guard let text, let standIn = try? parse(text) else {
            preconditionFailure("\(setting.key) has no default that follows its own rule")
        }
        return self.given(setting, otherwise: text, parse: parse) ?? standIn
    }

    /// A setting that may be absent; also `nil` if its value is refused.
    mutating func optionalValue<Value>(_ setting: Setting, parse: (String) throws(Refusal) -> Value) -> Value? {
        self.given(setting, otherwise: "", parse: parse)
    }

    private mutating func given<Value>(
        _ setting: Setting,
        otherwise: String,
        parse: (String) throws(Refusal) -> Value
    ) -> Value? {
        let given = self.given(setting)
        self.inForce.append(SettingInForce(setting, value: given?.text ?? otherwise, origin: given?.origin ?? .builtIn))
        guard let given else { return nil }
        do throws(Refusal) {
            // A path or a name with a zero byte would end there.
            if given.text.isEmpty || given.text.utf8.contains(0) { throw Refusal(setting.rule) }
            return try parse(given.text)
        } catch {
            self.refuse(setting, error.reason)
            return nil
        }
    }

    private func given(_ setting: Setting) -> Given? {
        let key = ConfigKey(setting.key)
        guard let text = self.reader.string(forKey: key, isSecret: setting.isSecret) else { return nil }
        let source = self.sources.first { _, provider in
            (try? provider.value(forKey: AbsoluteConfigKey(key), type: .string))?.value != nil
        }
        let origin: SettingOrigin =
            switch source?.source {
            case .options: .option
            case .file: .file(path: self.file?.path ?? "", line: self.file?.values[setting.key]?.line ?? 0)
            case .environment, nil: .environment
            }
        return Given(text: text, origin: origin)
    }
}

extension InMemoryProvider {
    fileprivate init(name: String, strings: [String: String]) {
        let values = Setting.all.compactMap { setting in
            strings[setting.key].map { text in
                (AbsoluteConfigKey(ConfigKey(setting.key)), ConfigValue(.string(text), isSecret: setting.isSecret))
            }
        }
        self.init(name: name, values: Dictionary(uniqueKeysWithValues: values))
    }
}

extension EnvironmentVariablesProvider {
    /// Takes the variables that are settings. An empty one counts as unset, since deployment tools leave those behind.
    fileprivate init(settingsIn environment: [String: String]) {
        let names = Set(Setting.all.map(\.environmentName))
        let secrets = Set(Setting.all.filter(\.isSecret).map(\.environmentName))
        self.init(
            environmentVariables: environment.filter { names.contains($0.key) && !$0.value.isEmpty },
            secretsSpecifier: .specific(secrets)
        )
    }
}
