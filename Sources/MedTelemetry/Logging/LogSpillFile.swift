// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The file that lines at `error` and above are kept in while nobody takes them: first in, first out.
///
/// It is text: a first line that says up to which byte the lines are delivered, then the lines as they would have been
/// written. Who stops while lines are in it, finds them there at the next start. Only the writer thread of a log touches
/// it, so no lock is held and no caller waits while the disk is slow. Nothing is synchronized to the disk: what a process
/// has written outlives it, and a log is not worth a `fsync(2)` a line where the machine itself fails.
final class LogSpillFile {
    /// Why the file cannot be used. Holds no path and nothing that is in the file.
    struct Failure: Error, Equatable {
        let reason: String

        static func system(_ call: String) -> Failure {
            // The table of messages lives as long as the process.
            Failure(reason: "\(call): \(strerror(errno).map { String(cString: $0) } ?? "error \(errno)")")
        }
    }

    private static let title = Array("medbuilder log spill, delivered up to byte ".utf8)
    private static let digits = 16
    /// The first line, with its newline.
    private static let headSize = title.count + digits + 1
    /// A file that is larger was not made by us.
    private static let largest = 1 << 30

    private let fileDescriptor: Int32
    private let limit: Int
    /// The sizes of the lines that are not delivered, oldest first, from `firstLine` on.
    private var sizes: [Int32]
    private var firstLine = 0
    /// Where the oldest line that is not delivered begins.
    private var head: Int
    /// Where the next line will begin; 0 for a file that is empty.
    private var tail: Int
    /// Whether the end of the file was not a whole line, and is gone.
    let wasCutShort: Bool

    /// Opens or makes the file, for this process alone, and finds out what is in it.
    ///
    /// - Parameters:
    ///   - path: Of a file in a folder that exists. It must be an ordinary one, and no link.
    ///   - limit: The most bytes it may hold.
    init(path: String, limit: Int) throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .system("open") }
        do throws(Failure) {
            let size = try Self.claim(descriptor)
            (self.sizes, self.head, self.tail, self.wasCutShort) = try Self.scan(descriptor, size: size)
            // Errors can quote what nobody else on the machine should read. Not before it is sure that the file is ours.
            guard fchmod(descriptor, 0o600) == 0 else { throw .system("fchmod") }
        } catch {
            close(descriptor)
            throw error
        }
        self.fileDescriptor = descriptor
        self.limit = limit
        if self.sizes.isEmpty { self.empty() }
    }

    /// Makes sure that the file is an ordinary one of this user, under one name, and for this process alone.
    ///
    /// - Returns: Its size.
    private static func claim(_ descriptor: Int32) throws(Failure) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("fstat") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(reason: "not an ordinary file") }
        // Its owner, or whoever knows it by another name, could read what is spilled, and put lines into the log.
        guard status.st_uid == geteuid(), status.st_nlink == 1 else { throw Failure(reason: "somebody else's file") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw errno == EWOULDBLOCK ? Failure(reason: "in use by another process") : .system("flock")
        }
        return Int(status.st_size)
    }

    deinit { close(self.fileDescriptor) }

    /// How many lines are not delivered.
    var lineCount: Int { self.sizes.count - self.firstLine }

    // MARK: Writing

    /// Why lines were not added.
    enum Refusal: Error, Equatable {
        case full
        case failed(reason: String)
    }

    /// Adds lines, all or none of them.
    func append(_ lines: [UInt8]) throws(Refusal) {
        let isNew = self.tail == 0
        let start = isNew ? Self.headSize : self.tail
        guard start + lines.count <= self.limit else { throw .full }
        do throws(Failure) {
            if isNew {
                try self.write(Self.title + Self.number(Self.headSize) + [UInt8(ascii: "\n")], at: 0)
                self.head = Self.headSize
            }
            try self.write(lines, at: start)
        } catch {
            // What was written of them is not ours to leave behind.
            ftruncate(self.fileDescriptor, off_t(isNew ? 0 : self.tail))
            throw .failed(reason: error.reason)
        }
        self.tail = start + lines.count
        var first = 0
        for (index, byte) in lines.enumerated() where byte == UInt8(ascii: "\n") {
            self.sizes.append(Int32(truncatingIfNeeded: index + 1 - first))
            first = index + 1
        }
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws(Failure) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                // The rest of the array, for as long as the call lasts.
                let rest = UnsafeRawBufferPointer(rebasing: buffer[written...])
                return pwrite(self.fileDescriptor, rest.baseAddress, rest.count, off_t(offset + written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("write") }
            written += count
        }
    }

    private static func number(_ value: Int) -> [UInt8] {
        let text = Array(String(value).utf8)
        return [UInt8](repeating: UInt8(ascii: "0"), count: self.digits - text.count) + text
    }

    // MARK: Reading

    /// The oldest lines, at most so many of them and about as many bytes as a pipe takes at once; those that are no lines
    /// of a log are left out.
    func oldest(atMost lineCount: Int) throws(Failure) -> (bytes: [UInt8], lineCount: Int, damagedCount: Int) {
        var taken = 0
        var size = 0
        while taken < min(lineCount, self.lineCount) {
            let next = Int(self.sizes[self.firstLine + taken])
            guard taken == 0 || size + next <= 65_536 else { break }
            size += next
            taken += 1
        }
        let bytes = try Self.read(self.fileDescriptor, count: size, at: self.head)
        var lines: [UInt8] = []
        lines.reserveCapacity(size)
        var start = 0
        var damaged = 0
        for index in self.firstLine..<self.firstLine + taken {
            let line = bytes[start..<start + Int(self.sizes[index])]
            start = line.endIndex
            if Self.isLine(line) { lines.append(contentsOf: line) } else { damaged += 1 }
        }
        return (lines, taken, damaged)
    }

    /// Whether these bytes are what this log writes: text on one line, of its longest line's size at most.
    private static func isLine(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.count > 1 && bytes.count <= LogLine.maximumSize && bytes.last == UInt8(ascii: "\n")
            && bytes.dropLast().allSatisfy { $0 >= 0x20 || $0 == 0x1B }
            && String(validating: bytes, as: UTF8.self) != nil
    }

    /// Forgets the oldest lines: they are delivered. An empty file is cut to nothing.
    func remove(lineCount: Int) {
        guard lineCount > 0 else { return }
        for _ in 0..<min(lineCount, self.lineCount) {
            self.head += Int(self.sizes[self.firstLine])
            self.firstLine += 1
        }
        guard self.lineCount > 0 else { return self.empty() }
        if self.firstLine > 4096 {
            self.sizes.removeFirst(self.firstLine)
            self.firstLine = 0
        }
        // If this fails, the next start writes lines a second time: better than not at all.
        try? self.write(Self.number(self.head), at: Self.title.count)
    }

    private func empty() {
        ftruncate(self.fileDescriptor, 0)
        self.sizes.removeAll()
        (self.firstLine, self.head, self.tail) = (0, 0, 0)
    }

    // MARK: What was left

    private static func scan(
        _ descriptor: Int32,
        size: Int
    ) throws(Failure) -> (sizes: [Int32], head: Int, tail: Int, wasCutShort: Bool) {
        guard size > 0 else { return ([], 0, 0, false) }
        let foreign = Failure(reason: "not a spill file of this program")
        guard size >= self.headSize, size <= self.largest else { throw foreign }
        let first = try self.read(descriptor, count: self.headSize, at: 0)
        guard first.starts(with: self.title), first.last == UInt8(ascii: "\n"),
            let delivered = Int(String(decoding: first[self.title.count..<self.headSize - 1], as: UTF8.self))
        else { throw foreign }
        // A number that cannot be right: everything once more, rather than nothing.
        let head = (self.headSize...size).contains(delivered) ? delivered : self.headSize
        var sizes: [Int32] = []
        var start = head
        var offset = head
        while offset < size {
            let block = try self.read(descriptor, count: min(65_536, size - offset), at: offset)
            for (index, byte) in block.enumerated() where byte == UInt8(ascii: "\n") {
                sizes.append(Int32(truncatingIfNeeded: offset + index + 1 - start))
                start = offset + index + 1
            }
            offset += block.count
        }
        return (sizes, head, start, start < size)
    }

    private static func read(_ descriptor: Int32, count: Int, at offset: Int) throws(Failure) -> [UInt8] {
        var failure: Failure?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // The array's own memory, filled from its beginning.
            while initialized < count {
                let got = pread(
                    descriptor, buffer.baseAddress.map { $0 + initialized }, count - initialized,
                    off_t(offset + initialized))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else {
                    failure = got == 0 ? Failure(reason: "the file was cut") : .system("read")
                    return
                }
                initialized += got
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
