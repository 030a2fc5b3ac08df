// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing

@testable import MedTelemetry

/// A real pipe: a log writer on one end, the test on the other.
final class TestPipe: Sendable {
    struct Failure: Error { let errno: Int32 }

    let writeEnd: Int32
    private let readEnd: Int32
    private let isOpen = Mutex((read: true, write: true))

    /// A pipe whose reader leaves must cost the writer an error, not the test process its life.
    private static let ignoresSIGPIPE: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    init() throws {
        Self.ignoresSIGPIPE
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(errno: errno) }
        // Private: a process that another test starts would keep the end that writes open for as long as it lives.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (self.readEnd, self.writeEnd) = (ends[0], ends[1])
    }

    deinit {
        self.closeReadEnd()
        self.closeWriteEnd()
    }

    func closeReadEnd() {
        let wasOpen = self.isOpen.withLock { state in
            defer { state.read = false }
            return state.read
        }
        if wasOpen { close(self.readEnd) }
    }

    /// Only once nobody writes any more: the number of the descriptor may be given to another test at once.
    func closeWriteEnd() {
        let wasOpen = self.isOpen.withLock { state in
            defer { state.write = false }
            return state.write
        }
        if wasOpen { close(self.writeEnd) }
    }

    /// Fills the pipe with empty lines, so that the next write has to wait for a reader.
    ///
    /// - Returns: How many these are: the pipes of a user who has many are smaller.
    @discardableResult
    func fill() -> Int {
        var count = 0
        _ = fcntl(self.writeEnd, F_SETFL, O_NONBLOCK)
        while write(self.writeEnd, "\n", 1) == 1 { count += 1 }
        _ = fcntl(self.writeEnd, F_SETFL, 0)
        return count
    }

    /// Whether the next write has to wait for a reader.
    var isFull: Bool {
        var request = pollfd(fd: self.writeEnd, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, 0) == 0
    }

    /// What is in the pipe at this moment, in one read: nothing that is written because there is room again.
    func content() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1_048_576)
        _ = fcntl(self.readEnd, F_SETFL, O_NONBLOCK)
        let count = Foundation.read(self.readEnd, &buffer, buffer.count)
        _ = fcntl(self.readEnd, F_SETFL, 0)
        return Array(buffer[..<max(count, 0)])
    }

    /// Reads until every write end is closed, or for so many lines.
    func read(lineCount: Int = .max) async -> [UInt8] {
        await self.startReading(lineCount: lineCount).bytes
    }

    /// The same; its thread has begun when this returns. A child task begins when the cooperative pool has time for it,
    /// while a flush on a thread of its own counts the seconds.
    func startReading(lineCount: Int = .max) -> Reading {
        let (results, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        Thread.detachNewThread {
            continuation.yield(self.blockingRead(lineCount))
            continuation.finish()
        }
        return Reading(results: results)
    }

    private func blockingRead(_ lineCount: Int) -> [UInt8] {
        var all: [UInt8] = []
        var newlines = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while newlines < lineCount {
            let count = Foundation.read(self.readEnd, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            all.append(contentsOf: buffer[..<count])
            newlines += buffer[..<count].count { $0 == UInt8(ascii: "\n") }
        }
        return all
    }

    /// What a thread reads.
    struct Reading: Sendable {
        fileprivate let results: AsyncStream<[UInt8]>

        /// All that it has read when it comes to its end; to be asked for once.
        var bytes: [UInt8] {
            get async {
                for await result in self.results { return result }
                return []
            }
        }
    }
}

extension TestPipe {
    /// The lines that arrive when a writer has written everything and its end is closed, without what filled the pipe.
    func output(after writer: LogWriter) async throws -> [String] {
        let reading = self.startReading()
        return try await self.allLines(of: reading, after: writer).filter { !$0.isEmpty }
    }

    fileprivate func allLines(of reading: Reading, after writer: LogWriter) async throws -> [String] {
        #expect(await onThread { writer.flush(timeout: .seconds(60)) })
        self.closeWriteEnd()
        return try await lines(reading.bytes)
    }
}

/// The lines of what `body` has a writer write.
func writtenLines(_ body: (LogWriter) throws -> Void) async throws -> [String] {
    let pipe = try TestPipe()
    let writer = LogWriter(fileDescriptor: pipe.writeEnd)
    let reading = pipe.startReading()
    try body(writer)
    return try await pipe.allLines(of: reading, after: writer)
}

/// Runs something that may block on a thread of its own, so that no thread of the cooperative pool waits for it.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

/// The lines of an output, whose last one is complete.
func lines(_ bytes: [UInt8]) throws -> [String] {
    var lines = try #require(String(validating: bytes, as: UTF8.self)).split(
        separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.popLast() == "")
    return lines.map(String.init)
}

/// The fields of a JSON line.
func fields(_ line: String) throws -> [String: any Sendable] {
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
    return try #require(object as? [String: any Sendable])
}
