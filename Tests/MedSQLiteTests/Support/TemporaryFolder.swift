// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder that exists as long as somebody holds on to it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("medsqlite-\(UUID().uuidString)")
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
