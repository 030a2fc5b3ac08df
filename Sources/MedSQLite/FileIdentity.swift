// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedStorage
import Synchronization

/// Which file a path names at the moment. A file put in its place has another identity.
struct FileIdentity: Hashable {
    private let device: UInt64
    private let inode: UInt64

    init(_ info: stat) {
        self.device = UInt64(info.st_dev)
        self.inode = UInt64(info.st_ino)
    }

    /// Nil if there is nothing at the path.
    init?(path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        self.init(info)
    }

    /// Throws if the path does not name this file any more.
    func require(at path: String) throws(DatabaseError) {
        guard FileIdentity(path: path) == self else {
            throw DatabaseError(
                code: .replaced,
                description:
                    "Database '\(path)' was deleted or replaced while it was open; what is written now would be "
                    + "lost. Put the file back and restart the server."
            )
        }
    }
}

/// The claim that this process has a file open as a database; given back when it is released.
///
/// POSIX drops all of a process's locks on a file when the process closes *any* descriptor of it. A second look at a file
/// that is in use here would therefore leave it unprotected against other processes, so there is no second look.
final class FileClaim: Sendable {
    private static let claimed = Mutex<[FileIdentity: ObjectIdentifier]>([:])

    let identity: FileIdentity

    /// Nil if the file is claimed already.
    init?(_ identity: FileIdentity) {
        self.identity = identity
        let id = ObjectIdentifier(self)
        let isFree = Self.claimed.withLock { claimed in
            if claimed[identity] != nil { return false }
            claimed[identity] = id
            return true
        }
        if !isFree { return nil }
    }

    deinit {
        self.release()
    }

    func release() {
        let id = ObjectIdentifier(self)
        Self.claimed.withLock { claimed in
            if claimed[self.identity] == id { claimed[self.identity] = nil }
        }
    }

    static func isClaimed(_ identity: FileIdentity) -> Bool {
        Self.claimed.withLock { $0[identity] != nil }
    }
}
