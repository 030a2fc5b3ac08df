// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A file system of its own, which can be full or read-only even for root.
final class SmallDisk: Sendable {
    static let isPermitted: Bool = {
        guard let folder = try? TemporaryFolder() else { return false }
        return (try? SmallDisk(in: folder, mebibytes: 1)) != nil
    }()

    private struct NotPermitted: Error {}
    private let folder: TemporaryFolder
    var path: String { self.folder.path }

    init(in folder: TemporaryFolder, mebibytes: Int) throws {
        self.folder = folder
        guard try OtherProcess.run("mount", "-t", "tmpfs", "-o", "size=\(mebibytes)m", "tmpfs", folder.path) == 0 else {
            throw NotPermitted()
        }
    }

    deinit {
        _ = try? OtherProcess.run("umount", "-l", self.path)
    }

    func remount(_ option: String) throws {
        // Busy for a moment, if another test is just starting a process: until its `exec`, that has our files open too.
        for _ in 0..<200 {
            if try OtherProcess.run("mount", "-o", "remount,\(option)", self.path) == 0 { return }
            Thread.sleep(forTimeInterval: 0.02)
        }
        throw NotPermitted()
    }

    /// Takes all the space there is; returns the file that does.
    func fill() -> String {
        let path = self.path + "/filler"
        // A process that another test starts must not keep the file, whose space would not be free when it is removed.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        return path
    }

    /// Removes the file that takes all the space, and waits until most of it is free: until its `exec`, a process that
    /// another test is just starting may have the file open too.
    func makeRoom(removing filler: String) throws {
        try FileManager.default.removeItem(atPath: filler)
        for _ in 0..<3000 {
            var room = statvfs()
            if statvfs(self.path, &room) == 0, room.f_bavail * 2 >= room.f_blocks { return }
            Thread.sleep(forTimeInterval: 0.02)
        }
        throw NotPermitted()
    }
}
