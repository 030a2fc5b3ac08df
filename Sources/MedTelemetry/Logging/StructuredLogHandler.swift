// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging

/// The log handler of a server: one record, one line, handed to a ``LogWriter`` that never makes the caller wait.
///
/// What the line promises: it is one line of valid UTF-8 (and valid JSON, in that format) of at most 64 KiB, whatever the
/// record holds. Messages over 16 KiB and metadata values over 4 KiB are cut with the mark `…[cut]`; metadata for which
/// there is no room is left out, which `labels.truncated` tells. Of an error that comes with the record, only the type is
/// written: its description could hold a patient's data.
///
/// ```swift
/// let writer = LogWriter()
/// let service = LogService(name: "medbuilder", version: "1.0.0", environment: "production")
/// LoggingSystem.bootstrap { label in
///     StructuredLogHandler(label: label, writer: writer, format: .json, service: service)
/// }
/// ```
public struct StructuredLogHandler: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    private let writer: LogWriter
    private let layout: LogLayout
    private let now: @Sendable () -> Int64

    /// Makes the handler of one logger.
    ///
    /// - Parameters:
    ///   - label: The logger's name: `log.logger`.
    ///   - writer: Where the lines go. The first handler decides how the writer's own line about dropped lines looks.
    ///   - format: For machines or for people.
    ///   - service: Who is logging.
    ///   - level: The least severe level that is logged.
    ///   - colored: Whether text is colored: only when the reader is a terminal and `NO_COLOR` is unset.
    ///   - metadataProvider: Adds metadata from the context of the caller.
    ///   - now: The time in milliseconds since 1970; the system's clock if not given.
    public init(
        label: String,
        writer: LogWriter,
        format: LogFormat,
        service: LogService,
        level: Logger.Level = .info,
        colored: Bool = false,
        metadataProvider: Logger.MetadataProvider? = LoggingSystem.metadataProvider,
        now: (@Sendable () -> Int64)? = nil
    ) {
        let now = now ?? LogTimestamp.systemNow
        self.logLevel = level
        self.metadataProvider = metadataProvider
        self.writer = writer
        self.layout = LogLayout(format: format, label: label, service: service, colored: colored)
        self.now = now
        writer.setDropNotice { count in
            LogLayout(format: format, label: "LogWriter", service: service, colored: colored).line(
                for: LogRecord(
                    time: now(),
                    level: .warning,
                    message: "Log lines dropped",
                    metadata: [("log.dropped", "\(count)")]
                )
            )
        }
    }

    public subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let record = LogRecord(
            time: self.now(),
            level: event.level,
            message: event.message.description,
            errorType: event.error.map(Self.typeName),
            metadata: self.metadata(for: event)
        )
        self.writer.write(self.layout.line(for: record), level: event.level)
    }

    /// `Module.Outer.Inner`, without the `(unknown context at $7f…)` of a private type: the address changes with every start.
    private static func typeName(of error: any Error) -> String {
        String(reflecting: type(of: error)).split(separator: ".").filter { !$0.hasPrefix("(unknown context") }
            .joined(separator: ".")
    }

    /// What the caller says beats what the context says beats what the logger carries.
    private func metadata(for event: LogEvent) -> [(key: String, value: Logger.MetadataValue)] {
        let explicit = event.metadata ?? [:]
        let provided = self.metadataProvider?.get() ?? [:]
        var metadata: [(key: String, value: Logger.MetadataValue)] = []
        metadata.reserveCapacity(explicit.count + provided.count + self.metadata.count)
        metadata.append(contentsOf: explicit)
        for field in provided where explicit[field.key] == nil { metadata.append(field) }
        for field in self.metadata where explicit[field.key] == nil && provided[field.key] == nil {
            metadata.append(field)
        }
        return metadata
    }
}
