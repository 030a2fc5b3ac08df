// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Reads how much room the file systems have that hold some folders.
///
/// It can block for as long as a network mount is dead: ask through a ``BlockingQuestion``.
final class DiskSpaceReader: Sendable {
    /// Looks at a folder: which device its file system is, and how much room there is.
    typealias Look = @Sendable (_ folder: String) throws(DiskSpaceError) -> (device: UInt64, space: DiskSpace)

    private let folders: [String]
    private let look: Look
    private let current = Mutex<String?>(nil)

    init(folders: [String], look: @escaping Look = DiskSpaceReader.look) {
        self.folders = folders
        self.look = look
    }

    /// The folder that is being looked at: who gets no answer wants to know about which one.
    var currentFolder: String? { self.current.withLock { $0 } }

    /// One result for each file system, and one for each folder that cannot be looked at, in the order of the folders.
    func read() -> [Result<DiskSpace, DiskSpaceError>] {
        defer { self.current.withLock { $0 = nil } }
        var devices: Set<UInt64> = []
        var results: [Result<DiskSpace, DiskSpaceError>] = []
        for folder in self.folders {
            self.current.withLock { $0 = folder }
            do throws(DiskSpaceError) {
                let (device, space) = try self.look(folder)
                if devices.insert(device).inserted { results.append(.success(space)) }
            } catch {
                results.append(.failure(error))
            }
        }
        return results
    }

    static func look(at folder: String) throws(DiskSpaceError) -> (device: UInt64, space: DiskSpace) {
        var file = stat()
        var system = statvfs()
        guard stat(folder, &file) == 0, statvfs(folder, &system) == 0 else {
            throw .unavailable(folder, problem: String(cString: strerror(errno)))
        }
        let space = DiskSpace(
            folder: folder,
            bytes: .init(
                blocks: system.f_blocks, free: system.f_bfree, available: system.f_bavail, size: system.f_frsize
            ),
            files: system.f_files == 0
                ? nil : .init(blocks: system.f_files, free: system.f_ffree, available: system.f_favail, size: 1)
        )
        // Such as /proc.
        guard space.bytes.total > 0 else { throw .unmeasured(folder) }
        return (UInt64(file.st_dev), space)
    }
}

extension DiskSpace.Room {
    /// No numbers overflow: a file system in user space may say anything.
    init(blocks: UInt, free: UInt, available: UInt, size: UInt) {
        func units(_ count: UInt) -> UInt64 {
            let (units, overflow) = UInt64(count).multipliedReportingOverflow(by: UInt64(size))
            return overflow ? .max : units
        }
        self.init(used: units(blocks - min(blocks, free)), available: units(min(available, free, blocks)))
    }
}
