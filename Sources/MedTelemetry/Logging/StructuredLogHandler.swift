// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging

/// The log handler of a server: one record, one line, handed to a ``LogWriter`` that never makes the caller wait.
///
/// What the line promises: it is one line of valid UTF-8 (and valid JSON, in that format) of at most 64 KiB, whatever the
/// record holds. Messages over 16 KiB and metadata values over 4 KiB are cut with the mark `…[cut]`; metadata for which
/// there is no room is left out, which `labels.truncated` tells. Of an error that comes with the record, only the type is
/// written: its description could hold a patient's data. What looks like a secret in the message or in a metadata value is
/// replaced by a mark (``Scrubber``).
///
/// ```swift
/// let writer = LogWriter()
/// let service = LogService(name: "medbuilder", version: "1.0.0", environment: "production")
/// LoggingSystem.bootstrap { label in
///     StructuredLogHandler(label: label, writer: writer, format: .json, service: service)
/// }
/// ```
public struct StructuredLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    let core: LogHandlerCore
    /// The level of all loggers of this name. Here and not in the core, since it is read with every call.
    private let sharedLevel: LogLevelCell
    /// The level that was set on this logger: it wins over whatever the levels say.
    private var ownLevel: Logger.Level?

    /// Makes the handler of one logger.
    ///
    /// - Parameters:
    ///   - label: The logger's name: `log.logger`.
    ///   - writer: Where the lines go. The first handler decides how the writer's own lines look.
    ///   - format: For machines or for people.
    ///   - service: Who is logging.
    ///   - level: The least severe level that is logged, where `levels` is not given.
    ///   - levels: The least severe level by the logger's name, which may change at any time.
    ///   - colored: Whether text is colored: only when the reader is a terminal and `NO_COLOR` is unset.
    ///   - metadataProvider: Adds metadata from the context of the caller.
    ///   - now: The time in milliseconds since 1970; the system's clock if not given.
    ///   - sink: Is given every record that is logged, on the thread that logs it, after its line was queued: keep it
    ///     short. What it logs itself, on that thread, is written and not given to it.
    public init(
        label: String,
        writer: LogWriter,
        format: LogFormat,
        service: LogService,
        level: Logger.Level = .info,
        levels: LogLevels? = nil,
        colored: Bool = false,
        metadataProvider: Logger.MetadataProvider? = LoggingSystem.metadataProvider,
        now: (@Sendable () -> Int64)? = nil,
        sink: (@Sendable (LogRecordView) -> Void)? = nil
    ) {
        self.metadataProvider = metadataProvider
        self.sharedLevel = levels?.cell(forLabel: label) ?? LogLevelCell(level)
        let now = now ?? LogTimestamp.systemNow
        self.core = LogHandlerCore(
            label: label,
            writer: writer,
            layout: LogLayout(format: format, label: label, service: service, colored: colored),
            now: now,
            sink: sink
        )
        writer.setNotice { notice in
            LogLayout(format: format, label: "LogWriter", service: service, colored: colored)
                .line(for: notice.record(time: now()))
        }
    }

    /// Whether neither this logger nor the context of the caller adds metadata to a record.
    var hasNothingToAdd: Bool { self.metadata.isEmpty && (self.metadataProvider?.get().isEmpty ?? true) }

    public var logLevel: Logger.Level {
        get { self.ownLevel ?? self.sharedLevel.level }
        set { self.ownLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        // Before anything of the thread's is in use: a provider may log.
        let provided = self.metadataProvider?.get()
        self.core.log(event, provided: provided, own: self.metadata)
    }
}
