// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The file descriptor that log lines go to, and what is known of its health.
///
///     working ◀──▶ failing     (a full disk: lines are lost, the next may work)
///        └────┬────────┘
///             ▼
///           broken             (nobody reads, or not a descriptor for writing: for good)
struct LogOutput {
    enum Health: Equatable { case working, failing, broken }

    private let fileDescriptor: Int32
    private(set) var health = Health.working
    /// Whether a failure left the beginning of a line in the output.
    private var isInsideLine = false

    init(fileDescriptor: Int32) {
        self.fileDescriptor = fileDescriptor
    }

    /// Writes whole lines, waiting as long as it takes.
    ///
    /// - Returns: The number of lines that could not be written in full.
    mutating func write(_ lines: [UInt8]) -> Int {
        if self.isInsideLine, self.writeBytes([UInt8(ascii: "\n")]) == 1 {
            self.isInsideLine = false
        }
        let written = self.writeBytes(lines)
        guard written < lines.count else { return 0 }
        if written > 0 {
            self.isInsideLine = lines[written - 1] != UInt8(ascii: "\n")
        }
        return lines[written...].count { $0 == UInt8(ascii: "\n") }
    }

    /// Writes until all is written or an error says that waiting will not help; returns how many bytes went out.
    private mutating func writeBytes(_ bytes: [UInt8]) -> Int {
        guard self.health != .broken else { return 0 }
        var offset = 0
        while offset < bytes.count {
            let (count, error) = bytes.withUnsafeBytes { buffer in
                // `write` takes a pointer; the rest of the array is what it points to, for as long as the call lasts.
                let rest = UnsafeRawBufferPointer(rebasing: buffer[offset...])
                let count = Glibc.write(self.fileDescriptor, rest.baseAddress, rest.count)
                return (count, errno)
            }
            if count > 0 {
                offset += count
                continue
            }
            // A device that takes no byte and reports no error is failing too: trying again could go on for ever.
            switch count == 0 ? EIO : error {
            case EINTR:
                continue
            case EAGAIN where self.waitUntilWritable():
                continue
            case EPIPE, EBADF:
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

    /// For a descriptor that somebody made non-blocking. An error or a hang-up ends the wait as well: the next write names it.
    private func waitUntilWritable() -> Bool {
        var request = pollfd(fd: self.fileDescriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, -1) >= 0 || errno == EINTR
    }
}
