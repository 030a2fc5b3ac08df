// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// Turns a record into the bytes of its line, for one logger in one format.
enum LogLayout: Sendable {
    case json(JSONLogLayout)
    case text(TextLogLayout)

    init(format: LogFormat, label: String, service: LogService, colored: Bool) {
        switch format {
        case .json: self = .json(JSONLogLayout(label: label, service: service))
        case .text: self = .text(TextLogLayout(colored: colored))
        }
    }

    /// The line, without its newline.
    func line(for record: LogRecord) -> [UInt8] {
        switch self {
        case .json(let layout): layout.line(for: record)
        case .text(let layout): layout.line(for: record)
        }
    }
}
