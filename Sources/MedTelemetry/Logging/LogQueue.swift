// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// The lines that wait for the writer thread, at most so many bytes of them, and what had to be dropped.
///
/// Lines are packed into chunks as they arrive, so that one chunk is one `write(2)` and no line is copied twice. What the
/// writer has taken counts until it reports it done: the limit holds for everything that is not yet written.
struct LogQueue {
    /// Whole lines, each with its newline.
    struct Chunk {
        var bytes: [UInt8] = []
        var lineCount = 0
    }

    /// What a pipe holds on Linux; a longer write gains nothing.
    private static let chunkSize = 65_536

    private let capacity: Int
    private let reserve: Int
    private var chunks: [Chunk] = []
    /// The storage of a written chunk, for the next one to use.
    private var spare = Chunk()
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

    init(capacity: Int, reserve: Int) {
        self.capacity = capacity
        self.reserve = reserve
    }

    /// Whether no line waits for the writer to take it.
    var isEmpty: Bool { self.chunks.isEmpty }

    /// Queues a line, or counts it as dropped when there is no room for one of its level.
    mutating func append(terminated line: UnsafeBufferPointer<UInt8>, level: Logger.Level) {
        // Lent by the caller.
        let size = line.count
        let limit = level >= .error ? self.capacity + self.reserve : self.capacity
        guard self.byteCount + size <= limit else { return self.refuse() }
        if let last = self.chunks.indices.last, self.chunks[last].bytes.count + size <= Self.chunkSize {
            self.chunks[last].append(line)
        } else {
            var chunk = Chunk()
            swap(&chunk, &self.spare)
            chunk.bytes.reserveCapacity(Self.chunkSize)
            chunk.append(line)
            self.chunks.append(chunk)
        }
        self.byteCount += size
        self.acceptedLineCount += 1
    }

    /// Hands everything that waits to the writer, oldest first.
    mutating func takeAll() -> [Chunk] {
        var taken: [Chunk] = []
        swap(&taken, &self.chunks)
        return taken
    }

    /// The writer is done with a chunk, which it leaves to the queue; so many of its lines could not be written.
    mutating func finish(_ chunk: inout Chunk, lostLineCount: Int) {
        self.byteCount -= chunk.bytes.count
        self.finishedLineCount += chunk.lineCount
        self.lostLineCount += lostLineCount
        chunk.bytes.removeAll(keepingCapacity: true)
        chunk.lineCount = 0
        swap(&chunk, &self.spare)
    }

    /// Nothing will ever be written again: what waits is dropped.
    mutating func discardAll() {
        for var chunk in self.takeAll() {
            self.finish(&chunk, lostLineCount: chunk.lineCount)
        }
    }

    /// Counts a line that is not queued.
    mutating func refuse() {
        self.refusedLineCount += 1
    }
}

extension LogQueue.Chunk {
    fileprivate mutating func append(_ line: UnsafeBufferPointer<UInt8>) {
        // Lent by the caller.
        self.bytes.append(contentsOf: line)
        self.lineCount += 1
    }
}
