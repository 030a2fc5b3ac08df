// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Synchronization

/// A log that a test can read back.
public final class RecordedLog: Sendable {
    private let lines = Mutex<[(message: String, metadata: Logger.Metadata)]>([])

    /// An empty log.
    public init() {}

    /// A logger that records here, at every level.
    public var logger: Logger {
        Logger(label: "test") { _ in Handler(log: self) }
    }

    /// The messages, in order.
    public var messages: [String] { self.lines.withLock { $0.map(\.message) } }

    /// Everything, for looking into.
    public var text: String {
        self.lines.withLock { lines in lines.map { "\($0.message) \($0.metadata)" }.joined(separator: "\n") }
    }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = self.metadata.merging(event.metadata ?? [:]) { $1 }
            self.log.lines.withLock { $0.append((event.message.description, metadata)) }
        }
    }
}
