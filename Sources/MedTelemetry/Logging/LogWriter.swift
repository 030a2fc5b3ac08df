// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging

/// Where finished log lines go: a bounded queue, and one thread that writes it to a file descriptor.
///
/// Nobody who logs ever waits for whoever reads the log, nor for a disk. When the reader stops, lines gather up to the
/// capacity; then those below `error` are dropped. Those at `error` and above go into the reserve, and from there, if
/// there is a spill file, into that file; what neither has room for is dropped too. When the reader goes on, all lines
/// come in the order in which they were queued, each once, and one warning says how many are missing (`Log lines dropped`,
/// in the format of the first ``StructuredLogHandler`` that was given this writer). The file is empty then.
///
/// The writer's own thread writes the file: it waits for the reader and for its callers at once, in a `poll(2)`. While a
/// ``flush(timeout:)`` waits for a reader who does not read, all errors that wait are moved to the file. What is in it when
/// the process ends is written by the next start, before anything else, and a warning says how many lines that were (`Log
/// lines of the last run written`). When the reader is gone for good (`EPIPE`, `EBADF`), everything is dropped, and
/// counted, but for the errors, which go to the file. So do the errors that cannot be written for another reason, such as
/// a disk that is full; they follow with the next line that can be written. A file that cannot be made, or a disk that is full, costs one
/// warning (`Log spill file unusable`) and whatever the reserve has no room for.
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
    ///   - spillPath: The file for lines at `error` and above that nobody takes; none if `nil`. It is made in a folder
    ///     that exists, readable for the owner alone, and belongs to one process at a time. It should be on a local disk:
    ///     one that never answers stops the writer's thread, though nobody who logs.
    ///   - spillLimit: The most bytes of that file.
    public convenience init(
        fileDescriptor: Int32 = 1,
        capacity: Int = 4_194_304,
        reserve: Int = 1_048_576,
        spillPath: String? = nil,
        spillLimit: Int = 16_777_216
    ) {
        self.init(
            fileDescriptor: fileDescriptor, capacity: capacity, reserve: reserve, spillPath: spillPath,
            spillLimit: spillLimit, restMilliseconds: 10)
    }

    /// - Parameter restMilliseconds: how long lines below `error` may gather.
    init(
        fileDescriptor: Int32,
        capacity: Int = 4_194_304,
        reserve: Int = 1_048_576,
        spillPath: String? = nil,
        spillLimit: Int = 16_777_216,
        restMilliseconds: Int32
    ) {
        self.pump = LogPump(
            fileDescriptor: fileDescriptor,
            capacity: capacity,
            reserve: reserve,
            spillPath: spillPath,
            spillLimit: spillLimit,
            restMilliseconds: restMilliseconds
        )
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
    /// - Returns: Whether all of it was written. `false` comes early when the output no longer works. Then the errors among
    ///   it are in the spill file, if there is one that takes them and a disk that was not slower than the timeout.
    @discardableResult
    public func flush(timeout: Duration) -> Bool {
        self.pump.flush(timeout: timeout)
    }

    /// How many lines were dropped since the start.
    public var droppedLineCount: Int { self.pump.droppedLineCount }

    /// How many of these were at `error` and above.
    public var droppedErrorCount: Int { self.pump.droppedErrorCount }

    /// How many lines went to the spill file since the start, whether or not they were written later.
    public var spilledLineCount: Int { self.pump.spilledLineCount }

    /// How many lines of the last run were written by this one.
    public var recoveredLineCount: Int { self.pump.recoveredLineCount }

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
