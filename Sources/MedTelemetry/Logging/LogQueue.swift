// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging

/// The lines that wait for the writer thread, at most so many bytes of them, and what had to be dropped.
///
/// Lines are packed into chunks as they arrive, so that one chunk is one `write(2)` and no line is copied twice. What the
/// writer has taken counts until it reports it done: the limit holds for everything that is not yet written. Lines that
/// were moved to the spill file keep their place, as an entry that says how many they are.
struct LogQueue {
    /// Whole lines, each with its newline.
    struct Chunk {
        var bytes: [UInt8] = []
        var lineCount = 0
        /// Where the lines at `error` and above begin.
        var errors: [Int32] = []
        /// How many of these, from the first, need no place in the spill file: they have one, or are written.
        var securedCount = 0
        /// Whether it was begun when there was only room for errors; then it holds nothing else.
        var isReserve = false
    }

    /// A chunk, or lines of the spill file, which are written in their place.
    struct Entry {
        var chunk = Chunk()
        /// More than 0 if this is no chunk.
        var spilledLineCount = 0
    }

    /// What a pipe holds on Linux; a longer write gains nothing.
    private static let chunkSize = 65_536
    /// How many written chunks are kept to be used again.
    private static let spareCount = 4

    private let capacity: Int
    private let reserve: Int
    private var entries: [Entry] = []
    /// The storage of written chunks, for the next ones to use.
    private var spares: [Chunk] = []
    private var byteCount = 0

    /// Lines that were accepted since the start.
    private(set) var acceptedLineCount = 0
    /// Of these, the ones the writer is done with.
    private(set) var finishedLineCount = 0
    /// Of these, the ones that could not be written.
    private(set) var lostLineCount = 0
    /// Lines that were refused.
    private var refusedLineCount = 0
    /// Lines that will never be written.
    var droppedLineCount: Int { self.refusedLineCount + self.lostLineCount }
    /// Of these, the ones at `error` and above.
    private(set) var droppedErrorCount = 0

    init(capacity: Int, reserve: Int) {
        self.capacity = capacity
        self.reserve = reserve
    }

    /// Whether no line waits for the writer to take it.
    var isEmpty: Bool { self.entries.isEmpty }

    /// Whether more waits than one `write(2)` takes.
    var hasSeveralChunks: Bool { self.entries.count > 1 }

    /// Whether errors wait where only errors have room.
    var usesReserve: Bool { self.entries.last?.chunk.isReserve ?? false }

    /// Queues a line, or counts it as dropped when there is no room for one of its level.
    mutating func append(terminated line: UnsafeBufferPointer<UInt8>, level: Logger.Level) {
        // Lent by the caller.
        let size = line.count
        let isError = level >= .error
        let isReserve = self.byteCount + size > self.capacity
        guard !isReserve || isError && self.byteCount + size <= self.capacity + self.reserve else {
            return self.refuse(level: level)
        }
        let last = self.entries.count - 1
        if last >= 0, self.entries[last].spilledLineCount == 0, self.entries[last].chunk.isReserve == isReserve,
            self.entries[last].chunk.bytes.count + size <= Self.chunkSize
        {
            self.entries[last].chunk.append(line, isError: isError)
        } else {
            var entry = Entry()
            entry.chunk = self.spares.popLast() ?? Chunk()
            entry.chunk.isReserve = isReserve
            // A chunk of a few errors at the limit must not cost as much as a full one.
            if !isReserve { entry.chunk.bytes.reserveCapacity(Self.chunkSize) }
            entry.chunk.append(line, isError: isError)
            self.entries.append(entry)
        }
        self.byteCount += size
        self.acceptedLineCount += 1
    }

    /// Hands the oldest entry to the writer.
    mutating func take() -> Entry? {
        self.entries.isEmpty ? nil : self.entries.removeFirst()
    }

    /// The writer is done with a chunk, which it leaves to the queue; so many of its last lines could not be written, of
    /// which so many are kept in the spill file.
    mutating func finish(_ chunk: inout Chunk, lostLineCount: Int, keptCount: Int = 0) {
        self.byteCount -= chunk.bytes.count
        self.finishedLineCount += chunk.lineCount
        self.lostLineCount += lostLineCount - keptCount
        if lostLineCount > 0 { self.droppedErrorCount += chunk.errorCount(amongLast: lostLineCount) - keptCount }
        chunk.bytes.removeAll(keepingCapacity: true)
        chunk.errors.removeAll(keepingCapacity: true)
        chunk.lineCount = 0
        chunk.securedCount = 0
        if self.spares.count < Self.spareCount, chunk.bytes.capacity >= Self.chunkSize { self.spares.append(chunk) }
        chunk = Chunk()
    }

    /// The writer is done with lines of the spill file; so many of them could not be read or written.
    mutating func finishSpilled(lineCount: Int, lostLineCount: Int) {
        self.finishedLineCount += lineCount
        self.lostLineCount += lostLineCount
        self.droppedErrorCount += lostLineCount
    }

    /// Nothing will ever be written again: what waits is dropped, but for what is in the spill file.
    mutating func discardAll() {
        while var entry = self.take() {
            self.finishedLineCount += entry.spilledLineCount
            let kept = entry.chunk.securedCount
            self.finish(&entry.chunk, lostLineCount: entry.chunk.lineCount, keptCount: kept)
        }
    }

    /// Counts a line that is not queued.
    mutating func refuse(level: Logger.Level) {
        self.refusedLineCount += 1
        if level >= .error { self.droppedErrorCount += 1 }
    }

    // MARK: The spill file

    /// The oldest errors that wait and are not in the spill file yet, at most a chunk of them, and which entry they are of.
    func nextToSecure() -> (index: Int, bytes: [UInt8], lineCount: Int)? {
        for index in self.entries.indices {
            let count = self.entries[index].chunk.errors.count - self.entries[index].chunk.securedCount
            guard count > 0 else { continue }
            return (index, self.entries[index].chunk.unsecuredErrors(), count)
        }
        return nil
    }

    /// Notes that so many more errors of an entry are in the spill file. A chunk of the reserve that is there as a whole
    /// gives its room back.
    mutating func secured(_ lineCount: Int, ofEntryAt index: Int) {
        self.entries[index].chunk.securedCount += lineCount
        let chunk = self.entries[index].chunk
        guard chunk.isReserve, chunk.securedCount == chunk.lineCount else { return }
        self.byteCount -= chunk.bytes.count
        if index > 0, self.entries[index - 1].spilledLineCount > 0 {
            self.entries[index - 1].spilledLineCount += chunk.lineCount
            self.entries.remove(at: index)
        } else {
            self.entries[index] = Entry(spilledLineCount: chunk.lineCount)
        }
    }
}

extension LogQueue.Chunk {
    fileprivate mutating func append(_ line: UnsafeBufferPointer<UInt8>, isError: Bool) {
        // Lent by the caller.
        if isError { self.errors.append(Int32(truncatingIfNeeded: self.bytes.count)) }
        self.bytes.append(contentsOf: line)
        self.lineCount += 1
    }

    /// Where the line that begins there ends, with its newline.
    func end(ofLineAt start: Int) -> Int {
        (self.bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? self.bytes.count - 1) + 1
    }

    /// The errors that are not in the spill file yet.
    func unsecuredErrors() -> [UInt8] {
        if self.isReserve { return Array(self.bytes[Int(self.errors[self.securedCount])...]) }
        var lines: [UInt8] = []
        for start in self.errors[self.securedCount...] {
            lines.append(contentsOf: self.bytes[Int(start)..<self.end(ofLineAt: Int(start))])
        }
        return lines
    }

    /// How many errors end within so many bytes.
    func errorCount(endingWithin byteCount: Int) -> Int {
        var count = 0
        for start in self.errors {
            guard Int(start) < byteCount, self.end(ofLineAt: Int(start)) <= byteCount else { break }
            count += 1
        }
        return count
    }

    /// How many of the last lines are errors.
    func errorCount(amongLast lineCount: Int) -> Int {
        let start = self.size(ofLinesBeforeLast: lineCount)
        return self.errors.count { Int($0) >= start }
    }

    /// How many bytes there are before the last lines.
    func size(ofLinesBeforeLast lineCount: Int) -> Int {
        if lineCount >= self.lineCount { return 0 }
        var start = self.bytes.count
        for _ in 0..<lineCount {
            start = (self.bytes[..<max(start - 1, 0)].lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        }
        return start
    }
}
