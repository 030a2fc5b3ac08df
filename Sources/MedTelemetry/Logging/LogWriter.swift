// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging

/// Where finished log lines go: a bounded queue, and one thread that writes it to a file descriptor.
///
/// Nobody who logs ever waits for whoever reads the log. When the reader stops, lines gather up to the capacity; then those
/// below `error` are dropped, and the others too once the reserve is used up. When the reader goes on, one warning says how
/// many are missing (`Log lines dropped`, in the format of the first ``StructuredLogHandler`` that was given this writer).
/// When the reader is gone for good (`EPIPE`, `EBADF`), everything is dropped, and counted.
///
/// ```swift
/// let writer = LogWriter()
/// LoggingSystem.bootstrap { label in
///     StructuredLogHandler(label: label, writer: writer, format: .json, service: service)
/// }
/// …
/// writer.flush(timeout: .milliseconds(500))
/// ```
///
/// The file descriptor must stay open until ``flush(timeout:)`` said `true` and the writer is gone.
public final class LogWriter: Sendable {
    private let pump: LogPump

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - fileDescriptor: Where to write; standard output by default.
    ///   - capacity: How many bytes may wait to be written.
    ///   - reserve: How many more, for lines at `error` and above.
    public init(fileDescriptor: Int32 = 1, capacity: Int = 4_194_304, reserve: Int = 1_048_576) {
        self.pump = LogPump(fileDescriptor: fileDescriptor, capacity: capacity, reserve: reserve)
        self.pump.start()
    }

    deinit {
        self.pump.close()
    }

    /// Queues a line, given without its newline; never blocks, may drop it.
    public func write(_ line: [UInt8], level: Logger.Level) {
        (line + [UInt8(ascii: "\n")]).withUnsafeBufferPointer { self.pump.write($0, level: level) }
    }

    /// Blocks the calling thread until everything that was queued before is written.
    ///
    /// Not for the cooperative pool: call it from a thread that may wait.
    ///
    /// - Returns: Whether all of it was written. `false` comes early when the output no longer works.
    @discardableResult
    public func flush(timeout: Duration) -> Bool {
        self.pump.flush(timeout: timeout)
    }

    /// How many lines were dropped since the start.
    public var droppedLineCount: Int { self.pump.droppedLineCount }

    /// Queues a line that has its newline already.
    func write(terminated line: UnsafeBufferPointer<UInt8>, level: Logger.Level) {
        // Lent by the caller; the queue copies it.
        self.pump.write(line, level: level)
    }

    /// The first caller decides how the writer's own lines look.
    func setNotice(_ line: @escaping @Sendable (LogNotice) -> [UInt8]) {
        self.pump.setNotice(line)
    }
}
