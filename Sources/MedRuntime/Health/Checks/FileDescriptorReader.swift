// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Counts the file descriptors that are open.
///
/// With many thousands of them that takes some milliseconds: ask through a ``BlockingQuestion``.
struct FileDescriptorReader: Sendable {
    private let folder: String
    private let softLimit: @Sendable () -> UInt64

    /// A reader below a root folder, which is another one than `/` in tests only.
    init(root: String = "/", softLimit: @escaping @Sendable () -> UInt64 = FileDescriptorReader.softLimit) {
        self.folder = (root.hasSuffix("/") ? root : root + "/") + "proc/self/fd"
        self.softLimit = softLimit
    }

    /// The usage at this moment.
    func read() throws(FileDescriptorError) -> FileDescriptorUsage {
        let limit = self.softLimit()
        guard let folder = opendir(self.folder) else {
            // That none is left to look with is an answer too.
            if errno == EMFILE { return FileDescriptorUsage(open: limit, limit: limit) }
            throw .unavailable(problem: String(cString: strerror(errno)))
        }
        defer { closedir(folder) }
        var count: UInt64 = 0
        errno = 0
        while let entry = readdir(folder) {
            // All names but "." and ".." are numbers.
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
            errno = 0
        }
        guard errno == 0 else { throw .unavailable(problem: String(cString: strerror(errno))) }
        // Without the one that looks.
        return FileDescriptorUsage(open: count - min(count, 1), limit: limit)
    }

    private static func softLimit() -> UInt64 {
        var limit = rlimit()
        // It cannot fail for a limit that exists.
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt64(limit.rlim_cur)
    }
}
