// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import MedTelemetry

extension Settings {
    /// What is logged, and in which form.
    public struct Log: Sendable, Equatable {
        /// The least severe records that are written, by the names of their loggers.
        ///
        /// - Key: `log.level`. Default: `info`.
        public var levels: LogLevelRules
        /// How a record is written.
        ///
        /// - Key: `log.format`. Default: `text` in development, else `json`.
        public var format: LogFormat

        /// Where records from `error` on wait while nobody reads the log.
        ///
        /// - Key: `log.spillFile`. Default: `log-spill` in the folder of `medbuilder.stateDir`.
        public var spillFile: String

        init(reader: inout SettingsReader, environment: AppEnvironment, stateDirectory: String) {
            self.levels = reader.value(.logLevel) { text throws(SettingsReader.Refusal) in
                do throws(LogLevelRulesError) {
                    return try LogLevelRules(text)
                } catch {
                    throw SettingsReader.Refusal("it must be \(Setting.logLevel.rule.text)")
                }
            }
            self.format = reader.choice(.logFormat, default: environment == .development ? .text : .json)
            self.spillFile = reader.optionalValue(.logSpillFile) { $0 } ?? stateDirectory + "/log-spill"
        }
    }
}
