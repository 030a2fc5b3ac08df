// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Synchronization

/// Turns what is written to standard error into log records: the Swift runtime writes the message of a trap there, raw,
/// and it could hold PHI.
final class StandardErrorTap: Sendable {
    /// The longest line that is logged in one record, in bytes.
    private static let longestLine = 4096

    /// The end that is read from.
    let unread: Int32
    /// What standard error was before.
    let original: Int32
    private let isReadable: Bool
    /// In the first record, which nobody else can know: if it comes back, the logger writes to standard error itself.
    private let token = String(UInt64.random(in: 1...(.max)), radix: 16)
    private let logger: Logger
    private let isReading = Atomic(false)

    /// Redirects standard error; nil, with `errno` set, if the system refuses.
    init?(isReadable: Bool, logger: Logger) {
        var ends: [Int32] = [-1, -1]
        let original = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
        guard original >= 0, pipe(&ends) == 0, dup2(ends[1], STDERR_FILENO) >= 0 else { return nil }
        close(ends[1])
        // A writer must never wait for the log; what does not fit is lost.
        for end in [ends[0], STDERR_FILENO] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        self.unread = ends[0]
        self.original = original
        self.isReadable = isReadable
        self.logger = logger
    }

    /// Starts the thread that reads.
    func start() {
        OwnThread.start("med-stderr", containsTraps: true) { self.read() }
        self.logger.log(
            // Whatever is filtered out would not come back.
            level: max(.notice, self.logger.logLevel),
            "Traps are contained",
            metadata: ["guard.token": "\(self.token)"]
        )
    }

    /// Whether everything that was written so far is logged.
    var isRead: Bool {
        var waiting: Int32 = 0
        // FIONREAD: how many bytes can be read.
        return ioctl(self.unread, UInt(0x541B), &waiting) != 0
            || (waiting == 0 && !self.isReading.load(ordering: .acquiring))
    }

    private func read() {
        var line: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: Self.longestLine)
        while true {
            var descriptor = pollfd(fd: self.unread, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, -1)
            self.isReading.store(true, ordering: .releasing)
            let count = Glibc.read(self.unread, &bytes, bytes.count)
            if count > 0 {
                for byte in bytes[..<count] {
                    if byte == UInt8(ascii: "\n") || line.count == Self.longestLine {
                        guard self.log(&line) else { return self.giveBack(bytes[..<count]) }
                    }
                    if byte != UInt8(ascii: "\n") { line.append(byte) }
                }
                // Whatever is written in one piece is one message.
                if count < bytes.count {
                    guard self.log(&line) else { return self.giveBack(bytes[..<count]) }
                }
            }
            self.isReading.store(false, ordering: .releasing)
            guard count != 0 else { return }
        }
    }

    /// The logger writes to standard error itself, and everything would go round for ever. Without us, then, and what it has
    /// said is said; but what must not be read stays unread, and a sentence says why there is no log.
    private func giveBack(_ bytes: ArraySlice<UInt8>) {
        guard self.isReadable else {
            let sentence = "The logger writes to standard error, which is withheld. Let it write to standard output.\n"
            _ = write(self.original, sentence, sentence.utf8.count)
            var bytes = [UInt8](repeating: 0, count: Self.longestLine)
            self.isReading.store(false, ordering: .releasing)
            while true {
                var descriptor = pollfd(fd: self.unread, events: Int16(POLLIN), revents: 0)
                poll(&descriptor, 1, -1)
                _ = Glibc.read(self.unread, &bytes, bytes.count)
            }
        }
        dup2(self.original, STDERR_FILENO)
        var bytes = Array(bytes)
        var count = bytes.count
        while count > 0 {
            _ = write(self.original, bytes, count)
            bytes = [UInt8](repeating: 0, count: Self.longestLine)
            count = Glibc.read(self.unread, &bytes, bytes.count)
        }
        self.isReading.store(false, ordering: .releasing)
    }

    /// False if the line is our own first record.
    private func log(_ line: inout [UInt8]) -> Bool {
        guard !line.isEmpty else { return true }
        defer { line.removeAll(keepingCapacity: true) }
        let text = String(decoding: line, as: UTF8.self)
        if text.contains(self.token) { return false }
        self.logger.error(
            "Written to standard error",
            metadata: [
                "stderr.bytes": "\(line.count)",
                "stderr.text": self.isReadable ? "\(text)" : "[withheld]",
            ]
        )
        return true
    }
}
