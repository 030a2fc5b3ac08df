// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Synchronization
import Testing

@testable import MedTelemetry

@Suite struct LogWriterTests {
    private let service = LogService(name: "med", version: "1", environment: "test")

    private func logger(_ writer: LogWriter, format: LogFormat = .json) -> Logger {
        Logger(label: "test") { label in
            StructuredLogHandler(label: label, writer: writer, format: format, service: self.service, level: .trace)
        }
    }

    /// Lets a writer that is stuck in a pipe nobody reads come to its end.
    private func abandon(_ pipe: TestPipe, of writer: LogWriter) async {
        pipe.closeReadEnd()
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        pipe.closeWriteEnd()
    }

    @Test func `lines arrive in their order, each with a newline`() async throws {
        let pipe = try TestPipe()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        for number in 0..<1000 { writer.write(Array("line \(number)".utf8), level: .info) }
        #expect(try await pipe.output(after: writer) == (0..<1000).map { "line \($0)" })
        #expect(writer.droppedLineCount == 0)
    }

    @Test func `a line after a long silence wakes the writer`() async throws {
        let pipe = try TestPipe()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        for number in 0..<5 {
            writer.write(Array("line \(number)".utf8), level: .info)
            #expect(await onThread { writer.flush(timeout: .seconds(60)) })
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try await pipe.output(after: writer) == (0..<5).map { "line \($0)" })
    }

    /// A writer that rests for an hour, unless somebody wakes it.
    private func resting(_ pipe: TestPipe) async throws -> LogWriter {
        let writer = LogWriter(fileDescriptor: pipe.writeEnd, restMilliseconds: 3_600_000)
        repeat {
            writer.write(Array("waits".utf8), level: .warning)
            try await Task.sleep(for: .milliseconds(20))
        } while !pipe.content().isEmpty
        return writer
    }

    @Test func `an error wakes a writer that rests, and takes with it what waits`() async throws {
        let pipe = try TestPipe()
        let writer = try await self.resting(pipe)
        writer.write(Array("error".utf8), level: .error)
        #expect(try lines(await pipe.read(lineCount: 2)) == ["waits", "error"])
        #expect(try await pipe.output(after: writer) == [])
    }

    @Test func `more than one write takes wakes a writer that rests`() async throws {
        let pipe = try TestPipe()
        let writer = try await self.resting(pipe)
        for _ in 0..<1000 { writer.write([UInt8](repeating: UInt8(ascii: "x"), count: 1000), level: .info) }
        #expect(await pipe.read(lineCount: 10).count >= 5000)
        #expect(try await pipe.output(after: writer).count > 900)
    }

    @Test func `a flush wakes a writer that rests, and so does its end`() async throws {
        let pipe = try TestPipe()
        var writer: LogWriter? = try await self.resting(pipe)
        let isFlushed = await onThread { [writer] in writer?.flush(timeout: .seconds(3600)) ?? false }
        #expect(isFlushed)
        #expect(pipe.content() == Array("waits\n".utf8))
        try await Task.sleep(for: .milliseconds(20))
        writer?.write(Array("last".utf8), level: .info)
        writer = nil
        #expect(try lines(await pipe.read(lineCount: 1)) == ["last"])
    }

    @Test func `the lines of eight threads arrive whole, each thread's in its order`() async throws {
        let pipe = try TestPipe()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd, capacity: 67_108_864)
        let reading = pipe.startReading()
        await withTaskGroup { group in
            for thread in 0..<8 {
                group.addTask {
                    await onThread {
                        let logger = self.logger(writer)
                        for number in 0..<10_000 {
                            logger.info(
                                "Concurrent \"line\"", metadata: ["thread": "\(thread)", "number": "\(number)"])
                        }
                    }
                }
            }
        }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) })
        pipe.closeWriteEnd()
        #expect(writer.droppedLineCount == 0)

        var next = [Int](repeating: 0, count: 8)
        for line in try await lines(reading.bytes) {
            let fields = try fields(line)
            let thread = try #require((fields["thread"] as? String).flatMap(Int.init))
            try #require(fields["message"] as? String == "Concurrent \"line\"")
            try #require(fields["number"] as? String == "\(next[thread])")
            next[thread] += 1
        }
        #expect(next == [Int](repeating: 10_000, count: 8))
    }

    // MARK: A reader that stops

    @Test func `with a full pipe callers go on, errors are kept, and the reader learns how many lines are missing`()
        async throws
    {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd, capacity: 100_000, reserve: 50_000)
        let logger = self.logger(writer)
        // Nobody reads: these calls return all the same, or the test would never end.
        for number in 0..<5000 { logger.info("Information", metadata: ["number": "\(number)"]) }
        let droppedInformation = writer.droppedLineCount
        #expect(droppedInformation > 4000)
        for number in 0..<100 { logger.error("Error", metadata: ["number": "\(number)"]) }
        for number in 0..<100 { logger.critical("Critical", metadata: ["number": "\(number)"]) }
        #expect(writer.droppedLineCount == droppedInformation)

        let output = try await pipe.output(after: writer).map { try fields($0) }
        let numbers = { (message: String) in
            output.filter { $0["message"] as? String == message }.map { $0["number"] as? String }
        }
        #expect(numbers("Information") == (0..<5000 - droppedInformation).map { "\($0)" })
        #expect(numbers("Error") == (0..<100).map { "\($0)" })
        #expect(numbers("Critical") == (0..<100).map { "\($0)" })
        let notices = output.filter { $0["message"] as? String == "Log lines dropped" }
        #expect(notices.count == 1)
        #expect(notices.first?["log.level"] as? String == "warning")
        #expect(notices.first?["log.dropped"] as? String == "\(droppedInformation)")
        #expect(notices.first?["service.name"] as? String == "med")
        #expect(output.count == 5200 - droppedInformation + 1)
    }

    @Test func `beyond the reserve errors are dropped and counted as well`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd, capacity: 10_000, reserve: 10_000)
        let logger = self.logger(writer)
        for _ in 0..<2000 { logger.critical("Critical") }
        let dropped = writer.droppedLineCount
        #expect(dropped > 1000)
        let output = try await pipe.output(after: writer).map { try fields($0) }
        #expect(output.count { $0["message"] as? String == "Critical" } == 2000 - dropped)
        #expect(output.compactMap { $0["log.dropped"] as? String } == ["\(dropped)"])
    }

    @Test func `every spell of dropping is told, and the counts add up`() async throws {
        let pipe = try TestPipe()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd, capacity: 200, reserve: 0)
        let reading = pipe.startReading()
        let logger = self.logger(writer, format: .text)
        for _ in 0..<3 {
            // Each is longer than the queue can hold.
            logger.info("\(String(repeating: "x", count: 300))")
            #expect(await onThread { writer.flush(timeout: .seconds(60)) })
        }
        pipe.closeWriteEnd()
        let notices = try await lines(reading.bytes)
        #expect(notices.count == 3)
        #expect(notices.allSatisfy { $0.hasSuffix(" WARNING Log lines dropped  log.dropped=1") })
        #expect(writer.droppedLineCount == 3)
    }

    @Test func `a flush gives up at its timeout while others go on logging and flushing`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        writer.write(Array("line".utf8), level: .info)
        async let patient = onThread { writer.flush(timeout: .seconds(60)) }
        for _ in 0..<20 {
            writer.write(Array("line".utf8), level: .info)
            #expect(await onThread { writer.flush(timeout: .milliseconds(1)) } == false)
        }
        let output = try await pipe.output(after: writer)
        #expect(await patient)
        #expect(output.count == 21)
    }

    @Test func `a flush with nothing queued is done at once, whatever its timeout`() async throws {
        let pipe = try TestPipe()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        #expect(await onThread { writer.flush(timeout: .seconds(Int64.max)) })
        #expect(await onThread { (0..<1000).allSatisfy { _ in writer.flush(timeout: .seconds(60)) } })
    }

    @Test func `a negative timeout does not wait`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        writer.write(Array("line".utf8), level: .info)
        #expect(await onThread { writer.flush(timeout: .seconds(-1)) } == false)
        await self.abandon(pipe, of: writer)
    }

    @Test func `a writer that goes away writes what it has`() async throws {
        let pipe = try TestPipe()
        do {
            let writer = LogWriter(fileDescriptor: pipe.writeEnd)
            for number in 0..<100 { writer.write(Array("line \(number)".utf8), level: .info) }
        }
        #expect(try await lines(pipe.read(lineCount: 100)) == (0..<100).map { "line \($0)" })
    }

    // MARK: A reader that left

    @Test func `after the reader left every line is dropped and counted`() async throws {
        let pipe = try TestPipe()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        pipe.closeReadEnd()
        for _ in 0..<100 { writer.write(Array("line".utf8), level: .critical) }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(writer.droppedLineCount == 100)
        for _ in 0..<100 { writer.write(Array("line".utf8), level: .critical) }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(writer.droppedLineCount == 200)
    }

    @Test func `a reader that leaves a full pipe frees the writer`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = LogWriter(fileDescriptor: pipe.writeEnd)
        for _ in 0..<1000 { writer.write([UInt8](repeating: 97, count: 999), level: .info) }
        #expect(await onThread { writer.flush(timeout: .milliseconds(50)) } == false)
        await self.abandon(pipe, of: writer)
        #expect(writer.droppedLineCount == 1000)
    }

    @Test func `a descriptor that is not for writing drops every line`() async throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        let writer = LogWriter(fileDescriptor: descriptor)
        writer.write(Array("line".utf8), level: .info)
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(writer.droppedLineCount == 1)
    }

    @Test func `a full disk drops lines, and every flush says so`() async throws {
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        let writer = LogWriter(fileDescriptor: descriptor)
        let logger = self.logger(writer)
        for count in 1...5 {
            logger.info("Lost")
            #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
            #expect(writer.droppedLineCount == count)
        }
    }

    @Test func `a reader that left does not end a process that never thought of SIGPIPE`() async {
        await #expect(processExitsWith: .success) {
            let pipe = try TestPipe()
            signal(SIGPIPE, SIG_DFL)
            let writer = LogWriter(fileDescriptor: pipe.writeEnd)
            pipe.closeReadEnd()
            writer.write(Array("line".utf8), level: .info)
            #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        }
    }

    @Test func `no output, however broken, keeps the processor busy`() async {
        // The processor time of a process of its own, while it does nothing but have broken logs.
        await #expect(processExitsWith: .success) {
            let pipe = try TestPipe()
            pipe.closeReadEnd()
            let service = LogService(name: "med", version: "1", environment: "test")
            let descriptors = [pipe.writeEnd, open("/dev/full", O_WRONLY), open("/dev/null", O_RDONLY)]
            let writers = descriptors.map { LogWriter(fileDescriptor: $0) }
            for writer in writers {
                let logger = Logger(label: "test") { label in
                    StructuredLogHandler(label: label, writer: writer, format: .json, service: service)
                }
                logger.info("Lost")
            }
            for writer in writers {
                #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
            }
            var before = rusage()
            getrusage(RUSAGE_SELF.rawValue, &before)
            try await Task.sleep(for: .milliseconds(500))
            var after = rusage()
            getrusage(RUSAGE_SELF.rawValue, &after)
            // A thread that never rests uses all of the half second; one that rests a little, comes back all the time.
            let seconds = after.ru_utime.tv_sec - before.ru_utime.tv_sec
            #expect(seconds * 1_000_000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec < 100_000)
            #expect(after.ru_nvcsw - before.ru_nvcsw < 100)
            #expect(writers.map(\.droppedLineCount) == [1, 1, 1])
        }
    }
}
