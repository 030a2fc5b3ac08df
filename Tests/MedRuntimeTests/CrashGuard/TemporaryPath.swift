// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Runs a test with the path of a file called `app`, in a folder that is gone afterwards.
func withTemporaryPath(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "elf-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.appending(path: "app"))
}
