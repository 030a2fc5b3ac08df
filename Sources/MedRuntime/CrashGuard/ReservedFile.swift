// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
package import Logging

/// A file that is opened in advance, for words that are written when nothing can be opened any more; the next process
/// reads them. A second process that uses the same file goes without.
package struct ReservedFile: Sendable {
    /// Open for reading and writing, with an exclusive lock.
    package let descriptor: Int32

    /// Opens the file, made with mode 0600 if it is missing, in a folder that is made with 0700. Nil, and a warning in the
    /// log, if that cannot be done.
    package init?(path: String, logger: Logger) {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        mkdir(folder, 0o700)
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        var status = stat()
        // Nobody else's file, by another name, and nothing that is no file.
        let isOurs =
            file >= 0 && fstat(file, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1
        if file >= 0, !isOurs { errno = EEXIST }
        guard isOurs, flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = String(cString: strerror(errno))
            if file >= 0 { close(file) }
            logger.warning("No file for last words", metadata: ["file.path": "\(path)", "error.message": "\(reason)"])
            return nil
        }
        self.descriptor = file
    }

    /// What the last process left, which is erased. Text that is no UTF-8 is repaired.
    package func take() -> String {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = pread(self.descriptor, &bytes, bytes.count, 0)
        ftruncate(self.descriptor, 0)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
    }
}
