// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
public import MedTelemetry

extension Settings {
    /// What is logged, and in which form.
    public struct Log: Sendable, Equatable {
        /// The least severe record that is written.
        ///
        /// - Key: `log.level`. Default: `info`.
        public var level: Logger.Level
        /// How a record is written.
        ///
        /// - Key: `log.format`. Default: `text` in development, else `json`.
        public var format: LogFormat

        init(reader: inout SettingsReader, environment: AppEnvironment) {
            self.level = reader.choice(.logLevel)
            self.format = reader.choice(.logFormat, default: environment == .development ? .text : .json)
        }
    }
}
