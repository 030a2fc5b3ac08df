// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A setting with the value in force and its origin: a row of `medbuilder config`.
public struct SettingInForce: Sendable, Equatable {
    /// The setting.
    public let setting: Setting
    /// The value as it was written, or that of the default; for a secret, whether it is set.
    public let text: String
    /// Where it came from.
    public let origin: SettingOrigin

    /// Takes the value, unless it is a secret.
    init(_ setting: Setting, value: String, origin: SettingOrigin) {
        self.setting = setting
        self.origin = origin
        self.text =
            switch (setting.isSecret, origin) {
            case (false, _): value.printable
            case (true, .builtIn): "(not set)"
            case (true, _): "(set)"
            }
    }
}
