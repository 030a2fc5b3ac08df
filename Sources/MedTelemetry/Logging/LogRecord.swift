// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// What one line says.
struct LogRecord {
    /// Milliseconds since 1970.
    let time: Int64
    let level: Logger.Level
    let message: String
    /// The type of the error that came with the record. Never its description: it could quote a patient's data.
    var errorType: String?
    /// In any order, every key once. Empty where the fields come apart, in memory that is used again.
    var metadata: [(key: String, value: Logger.MetadataValue)] = []
}
