// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import Testing

@testable import MedTelemetry

extension LogQueue {
    /// Queues a line that is given without its newline.
    fileprivate mutating func append(_ line: [UInt8], level: Logger.Level) {
        (line + [10]).withUnsafeBufferPointer { self.append(terminated: $0, level: level) }
    }

    /// Takes all chunks at once.
    fileprivate mutating func takeAll() -> [Chunk] {
        var chunks: [Chunk] = []
        while let entry = self.take() { chunks.append(entry.chunk) }
        return chunks
    }
}

@Suite struct LogQueueTests {
    private let tenBytes = Array("123456789".utf8)

    private func text(_ chunks: [LogQueue.Chunk]) -> String {
        String(decoding: chunks.flatMap(\.bytes), as: UTF8.self)
    }

    @Test func `lines come out in the order in which they came, each with its newline`() {
        var queue = LogQueue(capacity: 100, reserve: 0)
        queue.append(Array("one".utf8), level: .info)
        queue.append(Array("two".utf8), level: .error)
        #expect(self.text(queue.takeAll()) == "one\ntwo\n")
        #expect(queue.isEmpty)
    }

    @Test func `many lines make one chunk to write`() {
        var queue = LogQueue(capacity: 1_000_000, reserve: 0)
        for _ in 0..<6_553 { queue.append(self.tenBytes, level: .info) }
        let chunks = queue.takeAll()
        #expect(chunks.map(\.lineCount) == [6_553])
        #expect(chunks.map(\.bytes.count) == [65_530])
    }

    @Test func `a line is never split over two chunks`() {
        var queue = LogQueue(capacity: 1_000_000, reserve: 0)
        for _ in 0..<3 { queue.append([UInt8](repeating: 97, count: 40_000), level: .info) }
        #expect(queue.takeAll().map(\.bytes.count) == [40_001, 40_001, 40_001])
    }

    @Test func `the last line that fits is kept and the next one dropped`() {
        var queue = LogQueue(capacity: 30, reserve: 0)
        for _ in 0..<4 { queue.append(self.tenBytes, level: .info) }
        #expect(queue.acceptedLineCount == 3)
        #expect(queue.droppedLineCount == 1)
    }

    @Test func `an error may use the reserve, a warning may not`() {
        var queue = LogQueue(capacity: 20, reserve: 20)
        queue.append(self.tenBytes, level: .info)
        queue.append(self.tenBytes, level: .info)
        queue.append(self.tenBytes, level: .warning)
        #expect(queue.droppedLineCount == 1)
        queue.append(self.tenBytes, level: .error)
        queue.append(self.tenBytes, level: .critical)
        #expect(queue.droppedLineCount == 1)
        queue.append(self.tenBytes, level: .critical)
        #expect(queue.droppedLineCount == 2)
        #expect(queue.acceptedLineCount == 4)
    }

    @Test func `what the writer has taken takes up room until it is written`() throws {
        var queue = LogQueue(capacity: 20, reserve: 0)
        queue.append(self.tenBytes, level: .info)
        queue.append(self.tenBytes, level: .info)
        var taken = try #require(queue.takeAll().first)
        queue.append(self.tenBytes, level: .info)
        #expect(queue.droppedLineCount == 1)
        queue.finish(&taken, lostLineCount: 0)
        queue.append(self.tenBytes, level: .info)
        #expect(queue.droppedLineCount == 1)
        #expect(queue.finishedLineCount == 2)
    }

    @Test func `a line that could not be written is a dropped line`() throws {
        var queue = LogQueue(capacity: 100, reserve: 0)
        queue.append(self.tenBytes, level: .info)
        queue.append(self.tenBytes, level: .info)
        var taken = try #require(queue.takeAll().first)
        queue.finish(&taken, lostLineCount: 1)
        #expect(queue.droppedLineCount == 1)
        #expect(queue.lostLineCount == 1)
    }

    @Test func `discarding drops everything that waits`() {
        var queue = LogQueue(capacity: 100, reserve: 0)
        for _ in 0..<5 { queue.append(self.tenBytes, level: .info) }
        queue.discardAll()
        #expect(queue.isEmpty)
        #expect(queue.droppedLineCount == 5)
        #expect(queue.finishedLineCount == 5)
    }

    @Test func `the storage of a written chunk is used again`() throws {
        var queue = LogQueue(capacity: 100, reserve: 0)
        var addresses: Set<Int> = []
        for _ in 0..<10 {
            queue.append(self.tenBytes, level: .info)
            var chunks = queue.takeAll()
            var chunk = LogQueue.Chunk()
            swap(&chunk, &chunks[0])
            addresses.insert(chunk.bytes.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) })
            queue.finish(&chunk, lostLineCount: 0)
        }
        #expect(addresses.count == 1)
    }

    // MARK: The spill file

    @Test func `an error beyond the capacity is secured after the errors that came before it`() throws {
        var queue = LogQueue(capacity: 40, reserve: 100)
        queue.append(Array("info-----".utf8), level: .info)
        queue.append(Array("error-1--".utf8), level: .error)
        queue.append(Array("info-----".utf8), level: .info)
        queue.append(Array("error-2--".utf8), level: .error)
        #expect(!queue.usesReserve)
        queue.append(Array("error-3--".utf8), level: .critical)
        queue.append(Array("error-4--".utf8), level: .error)
        #expect(queue.usesReserve)

        let first = try #require(queue.nextToSecure())
        #expect(String(decoding: first.bytes, as: UTF8.self) == "error-1--\nerror-2--\n")
        #expect(first.lineCount == 2)
        queue.secured(first.lineCount, ofEntryAt: first.index)
        let second = try #require(queue.nextToSecure())
        #expect(String(decoding: second.bytes, as: UTF8.self) == "error-3--\nerror-4--\n")
        queue.secured(second.lineCount, ofEntryAt: second.index)
        #expect(queue.nextToSecure() == nil)

        // What was moved to the file gives its room back, and keeps its place.
        #expect(!queue.usesReserve)
        #expect(queue.take()?.chunk.lineCount == 4)
        #expect(queue.take()?.spilledLineCount == 2)
    }

    @Test func `what is secured is not dropped with the rest`() throws {
        var queue = LogQueue(capacity: 100, reserve: 0)
        queue.append(self.tenBytes, level: .info)
        queue.append(self.tenBytes, level: .error)
        let next = try #require(queue.nextToSecure())
        queue.secured(next.lineCount, ofEntryAt: next.index)
        queue.append(self.tenBytes, level: .error)
        queue.discardAll()
        #expect(queue.droppedLineCount == 2)
        #expect(queue.droppedErrorCount == 1)
        #expect(queue.finishedLineCount == 3)
    }
}
