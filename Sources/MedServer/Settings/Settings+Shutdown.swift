// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime

extension ShutdownConfiguration {
    /// Reads the settings below `shutdown.`.
    init(reader: inout SettingsReader) {
        self.init(
            drainDelay: reader.seconds(.drainDelay),
            grace: reader.seconds(.grace),
            deadline: reader.seconds(.deadline)
        )

        let sum = self.drainDelay + self.grace
        guard reader.areSound(.drainDelay, .grace, .deadline), sum >= self.deadline else { return }
        func value(_ setting: Setting, _ duration: Duration) -> String {
            "\(setting.key) (\(duration.secondsText), from \(reader.origin(of: setting).place(of: setting)))"
        }
        reader.reject(
            "\(value(.drainDelay, self.drainDelay)) and \(value(.grace, self.grace)) are \(sum.secondsText) together; "
                + "they must be below \(value(.deadline, self.deadline))."
        )
    }
}
