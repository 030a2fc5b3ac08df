// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedSQLite
import MedStorage
import MedTesting
import Testing

@Suite struct HealthCheckTests {
    private let folder: TemporaryFolder
    private var path: String { self.folder.file("med.sqlite") }

    init() throws {
        self.folder = try TemporaryFolder()
    }

    /// Checks again and again, for a minute.
    private func expectConnected(_ database: SQLiteDatabase) async {
        let check = await settled({ await database.check() }) { $0.status == .connected }
        #expect(check.status == .connected)
    }

    @Test(.enabled(if: OtherProcess.isAvailable, "needs the sqlite3 shell"))
    func `a write that found the file locked for long makes an error of it until the lock is gone`() async throws {
        try await withDatabase(self.path) { database in
            let other = try OtherProcess(self.path, keeping: "BEGIN IMMEDIATE;")
            #expect(await database.check().status == .connected)
            #expect(await code { try await database.insert("a") } == .locked)
            let check = await database.check()
            #expect(check.status == .error)
            #expect(check.problem?.code == .locked)
            try other.end()
            // A check waits for a lock no longer than a moment, of which a busy machine has few.
            await self.expectConnected(database)
            try await database.insert("b")
        }
    }

    @Test(.enabled(if: OtherProcess.isAvailable, "needs the sqlite3 shell"))
    func `a write that was cancelled while it waited says nothing about the database`() async throws {
        try await withDatabase(self.path, busyTimeout: .seconds(3600)) { database in
            let other = try OtherProcess(self.path, keeping: "BEGIN IMMEDIATE;")
            let task = Task { try await database.insert("a") }
            try await Task.sleep(for: .milliseconds(50))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(await database.check().status == .connected)
            try other.end()
        }
    }

    @Test(.enabled(if: SmallDisk.isPermitted, "needs the right to mount"))
    func `a full disk is an error until a write works again, and costs no committed row`() async throws {
        let disk = try SmallDisk(in: self.folder, mebibytes: 4)
        try await withDatabase(self.path) { database in
            try await database.insert("a")
            let filler = disk.fill()
            // More than the log already has room for.
            let failure = await code { try await database.insert(String(repeating: "x", count: 1_000_000)) }
            #expect(failure == .full)
            for _ in 0..<3 {
                let check = await database.check()
                #expect(check.status == .error)
                #expect(check.problem?.code == .full)
            }
            #expect(try await database.rowCount() == 1)
            try disk.makeRoom(removing: filler)
            await self.expectConnected(database)
            try await database.insert("b")
            #expect(try await database.rowCount() == 2)
        }
        let rows = try await withDatabase(self.path) { try await $0.rowCount() }
        #expect(rows == 2)
    }

    @Test(arguments: [true, false])
    func `a file that is no longer where it was is an error`(isReplaced: Bool) async throws {
        try await withDatabase(self.path) { database in
            try FileManager.default.moveItem(atPath: self.path, toPath: self.path + ".gone")
            if isReplaced {
                try FileManager.default.copyItem(atPath: self.path + ".gone", toPath: self.path)
            }
            let check = await database.check()
            #expect(check.status == .error)
            #expect(check.problem?.code == .replaced)
            #expect(check.problem?.description.contains(self.path) == true)
        }
    }

    @Test func `damage in the middle of the file is an error that stays, and no crash`() async throws {
        try await withDatabase(self.path) { database in
            for _ in 0..<50 { try await database.insert(String(repeating: "x", count: 2000)) }
        }
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: self.path))
        let size = try file.seekToEnd()
        try file.seek(toOffset: 2 * 4096)
        try file.write(contentsOf: Data(repeating: 0xa5, count: Int(size) - 2 * 4096))
        try file.close()

        let database = makeDatabase(self.path)
        #expect(await database.startFailure() == nil)
        #expect(await code { _ = try await database.query("SELECT value FROM drill_rows") } == .corrupt)
        #expect(await code { try await database.insert("a") } == .corrupt)
        for _ in 0..<2 {
            let check = await database.check()
            #expect(check.status == .error)
            #expect(check.problem?.code == .corrupt)
        }
        await database.closeToTheEnd()
    }

    @Test func `damage of the first page is an error at the start`() async throws {
        try await withDatabase(self.path) { _ in }
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: self.path))
        try file.seek(toOffset: 100)
        try file.write(contentsOf: Data(repeating: 0xa5, count: 3996))
        try file.close()
        #expect(await makeDatabase(self.path).startFailure()?.code == .corrupt)
    }

    @Test func `checks that are asked for together are all answered`() async throws {
        try await withDatabase(self.path) { database in
            await withTaskGroup(of: DatabaseCheck.self) { group in
                for _ in 0..<100 {
                    group.addTask { await database.check() }
                }
                for await check in group { #expect(check.status == .connected) }
            }
        }
    }
}
