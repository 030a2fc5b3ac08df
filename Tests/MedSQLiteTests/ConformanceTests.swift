// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedSQLite
import MedStorage
import MedTesting
import Testing

@Suite struct ConformanceTests {
    @Test(arguments: DatabaseConformance.Case.allCases)
    func `SQLite keeps what a database promises`(promise: DatabaseConformance.Case) async throws {
        let folder = try TemporaryFolder(onDisk: true)
        let suite = DatabaseConformance { makeDatabase(folder.file("med.sqlite"), migrations: $0) }
        try await suite.check(promise)
    }

    /// In memory, as a file on the file system that Linux keeps there: SQLite's own databases in memory know no WAL, and so no reader
    /// beside a writer (SQLite, "In-Memory Databases").
    @Test(arguments: DatabaseConformance.Case.allCases)
    func `SQLite in memory keeps what a database promises`(promise: DatabaseConformance.Case) async throws {
        let folder = URL(filePath: "/dev/shm/medsqlite-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let suite = DatabaseConformance {
            makeDatabase(folder.appending(path: "med.sqlite").path, migrations: $0)
        }
        try await suite.check(promise)
    }
}
