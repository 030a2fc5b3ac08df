// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Testing

@testable import MedTelemetry

@Suite struct LogSpillTests {
    private final class Folder: Sendable {
        /// In memory where that is possible: a disk that is busy has the writer wait.
        let path =
            (access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/" : NSTemporaryDirectory())
            + "medtelemetry-spill-" + UUID().uuidString
        var spill: String { self.path + "/spill" }

        init() throws { try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: self.path) }

        /// The lines that are in the file and not delivered.
        func undelivered() throws -> [String] {
            guard let data = FileManager.default.contents(atPath: self.spill), !data.isEmpty else { return [] }
            let head = try #require(data.firstIndex(of: 10))
            let first = String(decoding: data[..<head], as: UTF8.self)
            let offset = try #require(Int(first.suffix(16)))
            return String(decoding: data[offset...], as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    private static let service = LogService(name: "med", version: "1", environment: "test")
    private let folder: Folder

    init() throws { self.folder = try Folder() }

    private func writer(
        _ descriptor: Int32,
        capacity: Int = 2000,
        reserve: Int = 2000,
        limit: Int = 16_777_216,
        path: String? = nil
    ) -> LogWriter {
        LogWriter(
            fileDescriptor: descriptor, capacity: capacity, reserve: reserve, spillPath: path ?? self.folder.spill,
            spillLimit: limit)
    }

    private func logger(_ writer: LogWriter) -> Logger {
        Logger(label: "test") { StructuredLogHandler(label: $0, writer: writer, format: .json, service: Self.service) }
    }

    /// Waits for what another thread is about to do.
    private func wait(until condition: () throws -> Bool) async throws {
        while try !condition() { try await Task.sleep(for: .milliseconds(2)) }
    }

    /// Queues lines of 12 bytes each, or 11 those of `info`.
    private func write(_ range: Range<Int>, _ level: Logger.Level, to writer: LogWriter) {
        for number in range {
            writer.write(Array("\(level) \(String(format: "%05d", number))".utf8), level: level)
        }
    }

    private func abandon(_ pipe: TestPipe, of writer: LogWriter) async {
        pipe.closeReadEnd()
        _ = await onThread { writer.flush(timeout: .seconds(60)) }
        pipe.closeWriteEnd()
    }

    // MARK: A reader that stops

    @Test func `errors that have no room in memory wait in the file, and follow in order when the pipe moves`()
        async throws
    {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = self.writer(pipe.writeEnd)
        self.write(0..<50, .info, to: writer)
        for start in stride(from: 0, to: 1000, by: 125) {
            // Beyond the capacity from the first time on, and by no more than the reserve has room for.
            self.write(start..<start + 125, .error, to: writer)
            // With the reserve in use, all errors are moved: the next ones have room, however late the thread is.
            try await self.wait { writer.spilledLineCount >= start + 125 }
        }
        #expect(writer.droppedErrorCount == 0)
        #expect(try self.folder.undelivered().count == writer.spilledLineCount)

        let output = try await pipe.output(after: writer)
        #expect(
            output == (0..<50).map { "info \(String(format: "%05d", $0))" }
                + (0..<1000).map { "error \(String(format: "%05d", $0))" })
        // Nothing is left for the next start.
        #expect(FileManager.default.contents(atPath: self.folder.spill) == Data())
    }

    @Test func `lines that come while the file is being written out come after it`() async throws {
        let pipe = try TestPipe()
        let filling = pipe.fill()
        // Room for all, however late the thread is: this is about their order.
        let writer = self.writer(pipe.writeEnd, capacity: 4000, reserve: 100_000)
        var output: [String] = []
        for round in 0..<5 {
            self.write(round * 600..<round * 600 + 600, .error, to: writer)
            if round == 0 { try await self.wait { writer.spilledLineCount >= 600 } }
            // The reader takes what filled the pipe and a little more, and stops again.
            let taken = await pipe.read(lineCount: round == 0 ? filling + 100 : 100)
            output += String(decoding: taken, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        output += try await pipe.output(after: writer)
        // A line that was taken in two parts is in neither: joined, they are whole again.
        let numbers = output.joined().split(separator: "error ").compactMap { Int($0) }
        #expect(numbers == Array(0..<3000))
        #expect(writer.droppedErrorCount == 0)
        #expect(FileManager.default.contents(atPath: self.folder.spill) == Data())
    }

    @Test func `with a full pipe nobody who logs waits, whatever the level`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = self.writer(pipe.writeEnd, limit: 100_000)
        // More than ring, reserve and file can take: these calls return, or the test would never end.
        for number in 0..<20_000 {
            writer.write(Array("error \(number)".utf8), level: number % 2 == 0 ? .error : .info)
        }
        #expect(writer.droppedLineCount > 9000)
        await self.abandon(pipe, of: writer)
    }

    @Test func `a file that is full drops errors, which are counted apart and told`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = self.writer(pipe.writeEnd, limit: 5000)
        let logger = self.logger(writer)
        for _ in 0..<100 {
            logger.error("Error")
            try await Task.sleep(for: .milliseconds(1))
        }
        for _ in 0..<10 { logger.info("Information") }
        let dropped = writer.droppedErrorCount
        #expect(dropped > 50)
        #expect(writer.droppedLineCount == dropped + 10)
        try await self.wait { writer.spilledLineCount > 0 }
        let size = try FileManager.default.attributesOfItem(atPath: self.folder.spill)[.size] as? Int
        #expect(try #require(size) <= 5000)
        let output = try await pipe.output(after: writer).map { try fields($0) }
        #expect(output.count { $0["message"] as? String == "Error" } == 100 - dropped)
        let notice = try #require(output.first { $0["message"] as? String == "Log lines dropped" })
        #expect(notice["log.dropped"] as? String == "\(dropped + 10)")
        #expect(notice["log.dropped_errors"] as? String == "\(dropped)")
    }

    @Test func `after a flush that failed all errors are in the file, and only those not yet read`() async throws {
        let pipe = try TestPipe()
        let writer = self.writer(pipe.writeEnd, capacity: 1_000_000)
        writer.write(Array("error delivered".utf8), level: .error)
        #expect(await onThread { writer.flush(timeout: .seconds(60)) })
        pipe.fill()
        for number in 0..<100 { writer.write(Array("line \(number)".utf8), level: number % 10 == 0 ? .error : .info) }
        repeat {
            #expect(await onThread { writer.flush(timeout: .milliseconds(200)) } == false)
        } while writer.spilledLineCount < 10
        #expect(try self.folder.undelivered() == stride(from: 0, to: 100, by: 10).map { "line \($0)" })

        // The process lives on and the reader comes back: every line once, and an empty file.
        let output = try await pipe.output(after: writer)
        #expect(output == ["error delivered"] + (0..<100).map { "line \($0)" })
        #expect(FileManager.default.contents(atPath: self.folder.spill) == Data())
    }

    @Test func `a flush takes no longer than it may`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = self.writer(pipe.writeEnd)
        writer.write(Array("line".utf8), level: .error)
        // Returns at all, which is what is promised; by the clock nothing is measured here.
        #expect(await onThread { writer.flush(timeout: .zero) } == false)
        #expect(await onThread { writer.flush(timeout: .milliseconds(10)) } == false)
        await self.abandon(pipe, of: writer)
    }

    // MARK: The next start

    @Test func `what a process leaves in the file, the next one writes, and says how many lines that were`()
        async throws
    {
        let path = self.folder.spill
        try await {
            let pipe = try TestPipe()
            pipe.fill()
            let writer = self.writer(pipe.writeEnd)
            for number in 0..<20 { writer.write(Array("error \(number)".utf8), level: .error) }
            repeat {
                #expect(await onThread { writer.flush(timeout: .milliseconds(200)) } == false)
            } while writer.spilledLineCount < 20
            #expect(try self.folder.undelivered().count == 20)
            // The file is as a process leaves it that ends now.
            try FileManager.default.copyItem(atPath: path, toPath: path + "-left")
            await self.abandon(pipe, of: writer)
        }()

        let pipe = try TestPipe()
        let writer = self.writer(pipe.writeEnd, path: path + "-left")
        self.logger(writer).info("New")
        let output = try await pipe.output(after: writer)
        #expect(output.prefix(20) == (0..<20).map { "error \($0)" }[...])
        let rest = try output.dropFirst(20).map { try fields($0) }
        #expect(rest.compactMap { $0["message"] as? String }.sorted() == ["Log lines of the last run written", "New"])
        #expect(rest.compactMap { $0["log.recovered"] as? String } == ["20"])
        #expect(writer.recoveredLineCount == 20)
        #expect(FileManager.default.contents(atPath: path + "-left") == Data())
    }

    @Test func `lines that were delivered before the end are not written twice`() async throws {
        let path = self.folder.spill
        let pipe = try TestPipe()
        let filling = pipe.fill()
        let writer = self.writer(pipe.writeEnd, reserve: 1_000_000)
        let line = String(repeating: "x", count: 1000)
        for number in 0..<300 {
            writer.write(Array("\(number) \(line)".utf8), level: .error)
            try await Task.sleep(for: .milliseconds(number % 2))
        }
        try await self.wait { writer.spilledLineCount > 250 }
        // The reader takes the old content of the pipe and some lines, then stops for good.
        var taken = await pipe.read(lineCount: filling + 100)
        // The writer fills the pipe again, and notes in the file what it has written. Then that stays as it is.
        var left = Data()
        while true {
            try #require(await onThread { writer.flush(timeout: .milliseconds(200)) } == false)
            let content = try #require(FileManager.default.contents(atPath: path))
            if pipe.isFull, content == left { break }
            left = content
        }
        try left.write(to: URL(filePath: path + "-left"))
        // What is still in the pipe was written, and somebody may read it after the end.
        taken += pipe.content()
        // The last one may be cut: then it was not delivered.
        let delivered = String(decoding: taken, as: UTF8.self).split(separator: "\n")
            .filter { $0.hasSuffix(" " + line) }.compactMap { Int($0.prefix { $0 != " " }) }

        let nextPipe = try TestPipe()
        let next = self.writer(nextPipe.writeEnd, path: path + "-left")
        let recovered = try await nextPipe.output(after: next).compactMap { Int($0.prefix { $0 != " " }) }
        #expect(delivered + recovered == Array(0..<300))
        await self.abandon(pipe, of: writer)
    }

    @Test func `a file that was cut or filled with garbage gives whole lines only`() async throws {
        let head = "medbuilder log spill, delivered up to byte 0000000000000060\n"
        #expect(head.utf8.count == 60)
        var content = Data((head + "first\n").utf8)
        content.append(contentsOf: [0xFF, 0xFE, 0x0A])
        content.append(Data("bell\u{7}\nsecond\nhalf a li".utf8))
        try content.write(to: URL(filePath: self.folder.spill))
        let pipe = try TestPipe()
        let writer = self.writer(pipe.writeEnd)
        self.logger(writer).info("New")
        let output = try await pipe.output(after: writer)
        #expect(output.prefix(2) == ["first", "second"])
        let notice = try output.dropFirst(2).map { try fields($0) }.first { $0["log.recovered"] != nil }
        #expect(notice?["log.recovered"] as? String == "2")
        #expect(notice?["log.damaged"] as? String == "3")
    }

    // MARK: A file that cannot be used

    @Test func `the file is for nobody's eyes but the owner's`() async throws {
        try Data().write(to: URL(filePath: self.folder.spill))
        // Whatever the umask.
        #expect(chmod(self.folder.spill, 0o644) == 0)
        let pipe = try TestPipe()
        let writer = self.writer(pipe.writeEnd)
        _ = try await pipe.output(after: writer)
        try await self.wait {
            try FileManager.default.attributesOfItem(atPath: self.folder.spill)[.posixPermissions] as? Int == 0o600
        }
    }

    /// What a log says whose spill file is like that.
    private func reason(path: String) async throws -> String? {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = self.writer(pipe.writeEnd, path: path)
        let logger = self.logger(writer)
        for _ in 0..<100 { logger.error("Error") }
        // As without a file: the reserve is all there is.
        #expect(writer.droppedErrorCount > 80)
        let output = try await pipe.output(after: writer).map { try fields($0) }
        let notices = output.filter { $0["message"] as? String == "Log spill file unusable" }
        #expect(notices.count == 1)
        #expect(notices.first?["log.level"] as? String == "warning")
        return notices.first?["error.message"] as? String
    }

    @Test func `a path that cannot be written costs one warning and nothing else`() async throws {
        #expect(try await self.reason(path: self.folder.path + "/missing/spill") == "open: No such file or directory")
        #expect(try await self.reason(path: self.folder.path) == "open: Is a directory")
        try FileManager.default.createSymbolicLink(atPath: self.folder.path + "/link", withDestinationPath: "/dev/null")
        #expect(try await self.reason(path: self.folder.path + "/link") == "open: Too many levels of symbolic links")
        #expect(mkfifo(self.folder.path + "/fifo", 0o600) == 0)
        #expect(try await self.reason(path: self.folder.path + "/fifo") == "not an ordinary file")
    }

    @Test func `somebody else's file stays as it is`() async throws {
        let content = Data("precious\n".utf8)
        try content.write(to: URL(filePath: self.folder.spill))
        #expect(chmod(self.folder.spill, 0o644) == 0)
        #expect(try await self.reason(path: self.folder.spill) == "not a spill file of this program")
        #expect(FileManager.default.contents(atPath: self.folder.spill) == content)
        let mode = try FileManager.default.attributesOfItem(atPath: self.folder.spill)[.posixPermissions] as? Int
        #expect(mode == 0o644)
        // One that has another name as well could be read by whoever knows that.
        let twice = self.folder.path + "/twice"
        try Data().write(to: URL(filePath: twice))
        try FileManager.default.linkItem(atPath: twice, toPath: twice + "-again")
        #expect(try await self.reason(path: twice) == "somebody else's file")
    }

    @Test func `two writers never share a file`() async throws {
        let pipe = try TestPipe()
        let writer = self.writer(pipe.writeEnd)
        try await self.wait { FileManager.default.fileExists(atPath: self.folder.spill) }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) })
        let descriptor = open(self.folder.spill, O_RDWR)
        try await self.wait { flock(descriptor, LOCK_EX | LOCK_NB) != 0 }
        close(descriptor)
        #expect(try await self.reason(path: self.folder.spill) == "in use by another process")
        _ = try await pipe.output(after: writer)
    }

    @Test func `a disk that is full costs one warning, and no line that has room in memory`() async {
        // A limit to the size of files fills up as a disk would; it holds for a whole process, whose signal would kill it.
        await #expect(processExitsWith: .success) {
            let folder = NSTemporaryDirectory() + "medtelemetry-spill-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let pipe = try TestPipe()
            pipe.fill()
            var limit = rlimit(rlim_cur: 1000, rlim_max: rlim_t.max)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let writer = LogWriter(
                fileDescriptor: pipe.writeEnd, capacity: 2000, reserve: 2000, spillPath: folder + "/spill")
            let service = LogService(name: "med", version: "1", environment: "test")
            let logger = Logger(label: "test") {
                StructuredLogHandler(label: $0, writer: writer, format: .json, service: service)
            }
            for _ in 0..<100 { logger.error("Error") }
            // Time for the thread to try the file, on a busy machine too.
            #expect(await onThread { writer.flush(timeout: .seconds(3)) } == false)
            let dropped = writer.droppedErrorCount
            #expect(dropped > 50)
            let reading = pipe.startReading()
            #expect(await onThread { writer.flush(timeout: .seconds(60)) })
            pipe.closeWriteEnd()
            let output = try await lines(reading.bytes).filter { !$0.isEmpty }.map { try fields($0) }
            #expect(output.count { $0["message"] as? String == "Error" } == 100 - dropped)
            let notices = output.filter { $0["message"] as? String == "Log spill file unusable" }
            #expect(notices.compactMap { $0["error.message"] as? String } == ["write: File too large"])
        }
    }

    // MARK: An output that is full

    @Test func `errors that a full disk does not take go to the file, and follow when there is room`() async throws {
        let descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        let writer = self.writer(descriptor, capacity: 1_000_000)
        for number in 0..<100 { writer.write(Array("line \(number)".utf8), level: number % 10 == 0 ? .error : .info) }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(try self.folder.undelivered() == stride(from: 0, to: 100, by: 10).map { "line \($0)" })
        #expect(writer.droppedLineCount == 90)
        #expect(writer.droppedErrorCount == 0)
        for number in 100..<110 { writer.write(Array("line \(number)".utf8), level: number % 10 == 0 ? .error : .info) }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(writer.droppedLineCount == 99)

        // There is room: the descriptor is now one of a pipe.
        let pipe = try TestPipe()
        #expect(dup2(pipe.writeEnd, descriptor) == descriptor)
        pipe.closeWriteEnd()
        writer.write(Array("new".utf8), level: .info)
        #expect(
            try lines(await pipe.read(lineCount: 12)) == stride(from: 0, to: 110, by: 10).map { "line \($0)" } + ["new"]
        )
        #expect(await onThread { writer.flush(timeout: .seconds(60)) })
        #expect(FileManager.default.contents(atPath: self.folder.spill) == Data())
    }

    // MARK: A reader that left

    @Test func `when the reader is gone for good, errors go to the file for the next start`() async throws {
        let pipe = try TestPipe()
        pipe.fill()
        let writer = self.writer(pipe.writeEnd, capacity: 1_000_000)
        for number in 0..<100 { writer.write(Array("line \(number)".utf8), level: number % 10 == 0 ? .error : .info) }
        pipe.closeReadEnd()
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(try self.folder.undelivered() == stride(from: 0, to: 100, by: 10).map { "line \($0)" })
        #expect(writer.droppedLineCount == 90)
        #expect(writer.droppedErrorCount == 0)

        for number in 100..<120 { writer.write(Array("line \(number)".utf8), level: number % 10 == 0 ? .error : .info) }
        #expect(await onThread { writer.flush(timeout: .seconds(60)) } == false)
        #expect(try self.folder.undelivered() == stride(from: 0, to: 120, by: 10).map { "line \($0)" })
        #expect(writer.droppedLineCount == 108)
    }
}
