// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// What the writer itself has to say in the log.
enum LogNotice: Equatable, Sendable {
    /// So many lines were dropped, and so many of them at `error` and above.
    case dropped(lines: Int, errors: Int)
    /// So many lines of the last run were in the spill file and have been written; so many there were no whole lines.
    case recovered(lines: Int, damaged: Int)
    /// The spill file cannot be used: the sentence of the system's error.
    case spillUnusable(reason: String)

    func record(time: Int64) -> LogRecord {
        switch self {
        case .dropped(let lines, let errors):
            var record = LogRecord(time: time, level: .warning, message: "Log lines dropped")
            record.metadata = [("log.dropped", "\(lines)")]
            if errors > 0 { record.metadata.append(("log.dropped_errors", "\(errors)")) }
            return record
        case .recovered(let lines, let damaged):
            var record = LogRecord(time: time, level: .warning, message: "Log lines of the last run written")
            record.metadata = [("log.recovered", "\(lines)")]
            if damaged > 0 { record.metadata.append(("log.damaged", "\(damaged)")) }
            return record
        case .spillUnusable(let reason):
            return LogRecord(
                time: time,
                level: .warning,
                message: "Log spill file unusable",
                metadata: [("error.message", .string(reason))]
            )
        }
    }
}
