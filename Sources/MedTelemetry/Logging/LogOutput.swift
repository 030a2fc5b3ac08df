// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The file descriptor that log lines go to, and what is known of its health.
///
///     working ◀──▶ failing     (a full disk: lines are lost, the next may work)
///        └────┬────────┘
///             ▼
///           broken             (nobody reads, or not a descriptor for writing: for good)
///
/// No write waits in the kernel where that could be long: only so is it known at any time what has gone out, and only so can
/// the thread do something else while nobody reads. The descriptor itself stays as it is, because others may share it.
struct LogOutput {
    enum Health: Equatable { case working, failing, broken }

    /// How to write without waiting.
    private enum Way {
        /// A file: it takes what it is given.
        case plain
        /// A pipe or a terminal: if it says that it is writable, it takes a page. Another process that writes to the same
        /// pipe in the same moment can make this wrong: then the write waits after all.
        case page
        /// A socket: `MSG_DONTWAIT`.
        case socket
    }

    /// What a pipe takes as a whole or not at all, and takes whenever it says that it is writable.
    private static let pageSize = 4096

    private let fileDescriptor: Int32
    private let way: Way
    private(set) var health = Health.working
    /// Whether a failure left the beginning of a line in the output.
    private var isInsideLine = false

    init(fileDescriptor: Int32) {
        self.fileDescriptor = fileDescriptor
        var status = stat()
        guard fstat(fileDescriptor, &status) == 0 else {
            self.way = .plain
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFIFO, S_IFCHR: self.way = .page
        case S_IFSOCK: self.way = .socket
        default: self.way = .plain
        }
    }

    /// Writes whole lines, waiting as long as it takes.
    ///
    /// - Returns: The number of lines that could not be written in full.
    mutating func write(_ lines: [UInt8]) -> Int {
        let fileDescriptor = self.fileDescriptor
        return self.write(lines) { _ in
            var request = pollfd(fd: fileDescriptor, events: Int16(POLLOUT), revents: 0)
            poll(&request, 1, -1)
        }
    }

    /// The same, with another way to wait: an error or a hang-up should end it as well, the next write names it.
    ///
    /// - Parameter wait: Called when nothing more can be written at the moment, with the number of bytes that are; returns
    ///   when it is worth trying again.
    /// - Returns: The number of lines that could not be written in full.
    mutating func write(_ lines: [UInt8], wait: (_ written: Int) -> Void) -> Int {
        if self.isInsideLine, self.writeBytes([UInt8(ascii: "\n")], wait: { _ in wait(0) }) == 1 {
            self.isInsideLine = false
        }
        let written = self.writeBytes(lines, wait: wait)
        guard written < lines.count else { return 0 }
        if written > 0 {
            self.isInsideLine = lines[written - 1] != UInt8(ascii: "\n")
        }
        return lines[written...].count { $0 == UInt8(ascii: "\n") }
    }

    /// Writes until all is written or an error says that waiting will not help; returns how many bytes went out.
    private mutating func writeBytes(_ bytes: [UInt8], wait: (Int) -> Void) -> Int {
        guard self.health != .broken else { return 0 }
        var offset = 0
        while offset < bytes.count {
            let (count, error) = bytes.withUnsafeBytes { buffer in
                // The rest of the array, for as long as the call lasts.
                self.writeSome(UnsafeRawBufferPointer(rebasing: buffer[offset...]))
            }
            if count > 0 {
                offset += count
                continue
            }
            // A device that takes no byte and reports no error is failing too: trying again could go on for ever.
            switch count == 0 ? EIO : error {
            case EINTR:
                continue
            case EAGAIN:
                wait(offset)
            case EPIPE, EBADF, ENOTCONN, ECONNRESET:
                self.health = .broken
                return offset
            default:
                self.health = .failing
                return offset
            }
        }
        self.health = .working
        return offset
    }

    private func writeSome(_ bytes: UnsafeRawBufferPointer) -> (count: Int, error: Int32) {
        // Of the caller's array.
        switch self.way {
        case .plain:
            return (Glibc.write(self.fileDescriptor, bytes.baseAddress, bytes.count), errno)
        case .socket:
            let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
            return (send(self.fileDescriptor, bytes.baseAddress, bytes.count, flags), errno)
        case .page:
            var request = pollfd(fd: self.fileDescriptor, events: Int16(POLLOUT), revents: 0)
            // An error or a hang-up counts as well: the write names it.
            guard poll(&request, 1, 0) > 0 else { return (-1, errno == EINTR ? EINTR : EAGAIN) }
            return (Glibc.write(self.fileDescriptor, bytes.baseAddress, min(bytes.count, Self.pageSize)), errno)
        }
    }
}
