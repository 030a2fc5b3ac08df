// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// A small file system of its own, to be full or read-only: tests run as root, whom a file mode refuses nothing.
package final class TemporaryMount: Sendable {
    /// Where it is.
    package let folder: URL

    /// Whether this machine lets the tests mount anything.
    package static func isPermitted(in folder: URL) async -> Bool {
        guard let mount = try? await TemporaryMount(at: folder, kilobytes: 64) else { return false }
        try? await mount.unmount()
        return true
    }

    /// Mounts an empty file system of that size on `folder`, which is made if missing.
    package init(at folder: URL, kilobytes: Int) async throws {
        self.folder = folder
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try await runTool("mount", ["-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", folder.path])
    }

    /// Refuses every write from now on. (Whoever has a file open for writing has to be gone.)
    package func makeReadOnly() async throws {
        try await runTool("mount", ["-o", "remount,ro", self.folder.path])
    }

    /// Fills what is left of it.
    package func fill() throws {
        let file = self.folder.appending(path: "filler").path
        let descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw HarnessError.system("open", errno) }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 0, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        guard errno == ENOSPC else { throw HarnessError.system("write", errno) }
    }

    /// Makes the room again that ``fill()`` took.
    package func free() throws {
        try FileManager.default.removeItem(at: self.folder.appending(path: "filler"))
    }

    /// Unmounts it.
    package func unmount() async throws { try await runTool("umount", ["-l", self.folder.path]) }
}
