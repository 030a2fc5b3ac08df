// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder that exists as long as somebody holds on to it.
final class TemporaryFolder: Sendable {
    let path: String

    /// In memory where there is room: on a disk that is busy, what a database syncs takes seconds.
    private static let parent: URL = {
        let memory = "/dev/shm"
        var room = statvfs()
        guard access(memory, W_OK | X_OK) == 0, statvfs(memory, &room) == 0,
            UInt64(room.f_bavail) * UInt64(room.f_frsize) >= 64_000_000
        else { return FileManager.default.temporaryDirectory }
        return URL(fileURLWithPath: memory)
    }()

    /// - Parameter onDisk: whether it is the disk that matters.
    init(onDisk: Bool = false) throws {
        let parent = onDisk ? FileManager.default.temporaryDirectory : Self.parent
        let url = parent.appendingPathComponent("medsqlite-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        self.path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: self.path)
    }

    func file(_ name: String) -> String { self.path + "/" + name }

    /// Everything about the files that a look at them must not change.
    func snapshot() throws -> [String: FileState] {
        var states: [String: FileState] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: self.path) {
            states[name] = try FileState(path: self.file(name))
        }
        return states
    }

    struct FileState: Equatable {
        let content: Data?
        let modified: Date?
        let mode: Int?

        init(path: String) throws {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            self.content = FileManager.default.contents(atPath: path)
            self.modified = attributes[.modificationDate] as? Date
            self.mode = attributes[.posixPermissions] as? Int
        }
    }
}
