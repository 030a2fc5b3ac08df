// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedSQLite
import MedStorage
import Testing

@Suite struct OpeningTests {
    private let folder: TemporaryFolder
    private var path: String { self.folder.file("med.sqlite") }

    init() throws {
        self.folder = try TemporaryFolder()
    }

    // MARK: - Ours

    @Test func `a missing file is created, durable and for the owner alone`() async throws {
        try await withDatabase(self.path) { database in
            try await database.insert("a")
            let settings = try await database.transaction { transaction in
                var settings: [String: SQLValue] = [:]
                let pragmas: [Statement] = [
                    "PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA foreign_keys", "PRAGMA application_id",
                ]
                for pragma in pragmas {
                    let row = try await transaction.query(pragma)[0]
                    settings[row.columns[0]] = row[0]
                }
                return settings
            }
            #expect(
                settings == [
                    "journal_mode": .text("wal"), "synchronous": .integer(2), "foreign_keys": .integer(1),
                    "application_id": .integer(0x4d45_4442),
                ]
            )
            #expect(
                try self.folder.snapshot().mapValues(\.mode) == [
                    "med.sqlite": 0o600, "med.sqlite-wal": 0o600, "med.sqlite-shm": 0o600,
                ])
        }
    }

    @Test func `what was committed is there after closing and opening again`() async throws {
        try await withDatabase(self.path) { try await $0.insert("a") }
        let rows = try await withDatabase(self.path) { try await $0.rowCount() }
        #expect(rows == 1)
    }

    @Test func `a closed database can be opened again, and says meanwhile that it is closed`() async throws {
        let database = makeDatabase(self.path)
        #expect(await code { try await database.insert("a") } == .closed)
        try await database.open()
        try await database.open()
        try await database.migrate()
        await database.closeToTheEnd()
        #expect(await code { try await database.insert("a") } == .closed)
        #expect(await code { _ = try await database.rowCount() } == .closed)
        try await database.open()
        try await database.insert("a")
        await database.close()
    }

    @Test func `an empty file is ours`() async throws {
        _ = FileManager.default.createFile(atPath: self.path, contents: nil)
        try await withDatabase(self.path) { try await $0.insert("a") }
    }

    @Test func `characters that mean something in a URI mean nothing in a path`() async throws {
        let path = self.folder.file("a?b#c%20d e;f&ü.sqlite")
        try await withDatabase(path) { try await $0.insert("a") }
        try await withDatabase(path) { #expect(await $0.check().status == .connected) }
        #expect(try self.folder.snapshot().count == 1)
    }

    @Test func `missing folders are made only when asked for`() async throws {
        let path = self.folder.file("x/y/med.sqlite")
        let refused = await makeDatabase(path).startFailure()
        #expect(refused?.code == .cannotOpen)
        #expect(refused?.description.contains("its folder does not exist") == true)
        #expect(try self.folder.snapshot().isEmpty)

        let database = makeDatabase(path, createParentFolders: true)
        #expect(await database.startFailure() == nil)
        await database.close()
        #expect(try self.folder.snapshot()["x"]?.mode == 0o700)
    }

    @Test func `a file is open once in a process`() async throws {
        try await withDatabase(self.path) { _ in
            let refused = await #expect(throws: MedStorage.DatabaseError.self) {
                try await makeDatabase(self.path).open()
            }
            #expect(refused?.description.contains("already open in this process") == true)
        }
    }

    @Test func `several processes that create the same file at once all end up with it`() async throws {
        let path = self.path
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    await #expect(processExitsWith: .success) { [path = path as String] in
                        let database = makeDatabase(path, busyTimeout: .seconds(60), startTimeout: .seconds(60))
                        try await database.open()
                        try await database.migrate()
                        for _ in 0..<10 { try await database.insert("a") }
                        await database.close()
                    }
                }
            }
        }
        let rows = try await withDatabase(path) { try await $0.rowCount() }
        #expect(rows == 40)
    }

    // MARK: - Crashes

    @Test func `a creation that was cut off, whatever it had written, is started over`() async throws {
        let finished = self.folder.file("finished.sqlite")
        try await withDatabase(finished) { _ in }
        let firstPage = try Data(contentsOf: URL(fileURLWithPath: finished)).prefix(4096)

        for remains in [Data(), Data(count: 8192), Data(firstPage)] {
            try remains.write(to: URL(fileURLWithPath: self.path))
            try Self.journalOfCreation.write(to: URL(fileURLWithPath: self.path + "-journal"))
            try await withDatabase(self.path) { try await $0.insert("a") }
            try FileManager.default.removeItem(atPath: self.path)
        }
    }

    @Test func `a database that was killed halfway through copying its log is recovered`() async throws {
        let source = self.folder.file("source.sqlite")
        let wal = try await withDatabase(source) { database in
            let before = try Data(contentsOf: URL(fileURLWithPath: source))
            for _ in 0..<20 { try await database.insert(String(repeating: "x", count: 5000)) }
            try before.write(to: URL(fileURLWithPath: self.path))
            return try Data(contentsOf: URL(fileURLWithPath: source + "-wal"))
        }
        // The first page already tells of pages that the file does not have yet.
        let firstPage = try Data(contentsOf: URL(fileURLWithPath: source)).prefix(4096)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: self.path))
        try file.write(contentsOf: firstPage)
        try file.close()
        try wal.write(to: URL(fileURLWithPath: self.path + "-wal"))

        let rows = try await withDatabase(self.path) { try await $0.rowCount() }
        #expect(rows == 20)
    }

    /// The header of a rollback journal for a database that had no pages: magic, no records, nonce, zero pages, sector, page size.
    private static let journalOfCreation: Data = {
        var header = Data([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7])
        header += Data([0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x10, 0])
        return header + Data(count: 512 - header.count)
    }()

    // MARK: - Refused

    enum NotOurs: String, CaseIterable, CustomTestStringConvertible {
        case text, short, zeros, database, logged, impostor, folder
        var testDescription: String { self.rawValue }
    }

    @Test(.enabled(if: OtherProcess.isAvailable, "needs the sqlite3 shell"), arguments: NotOurs.allCases)
    func `what is not ours is refused and left as it was`(kind: NotOurs) async throws {
        let expected: MedStorage.DatabaseError.Code
        switch kind {
        case .text:
            try Data(String(repeating: "patients ", count: 100).utf8).write(to: URL(fileURLWithPath: self.path))
            expected = .notADatabase
        case .short:
            try Data("SQLite format 3\0".utf8).write(to: URL(fileURLWithPath: self.path))
            expected = .notADatabase
        case .zeros:
            try Data(count: 8192).write(to: URL(fileURLWithPath: self.path))
            expected = .notADatabase
        case .database:
            try OtherProcess.run("sqlite3", self.path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            expected = .foreignFile
        case .logged:
            try OtherProcess.run(
                "sqlite3", self.path, "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            expected = .foreignFile
        case .impostor:
            try OtherProcess.run("sqlite3", self.path, "PRAGMA application_id = 0x4d454442; CREATE TABLE t (x)")
            expected = .foreignFile
        case .folder:
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: false)
            expected = .isDirectory
        }
        let before = try self.folder.snapshot()

        let database = makeDatabase(self.path)
        let refused = await database.startFailure()

        #expect(refused?.code == expected)
        #expect(refused?.description.contains(self.path) == true)
        #expect(try self.folder.snapshot() == before)
        let check = await database.check()
        #expect(check.status == .error)
        #expect(check.problem == refused)
    }

    @Test(.enabled(if: SmallDisk.isPermitted, "needs the right to mount"))
    func `a database on a read-only file system is refused until that is writable`() async throws {
        let disk = try SmallDisk(in: self.folder, mebibytes: 4)
        try await withDatabase(self.path) { try await $0.insert("a") }
        try disk.remount("ro")
        let database = makeDatabase(self.path)
        let refused = await database.startFailure()
        #expect(refused?.code == .readOnly)
        #expect(await database.check().problem == refused)
        #expect(await makeDatabase(self.folder.file("new.sqlite")).startFailure()?.code == .readOnly)

        try disk.remount("rw")
        #expect(await database.startFailure() == nil)
        #expect(try await database.rowCount() == 1)
        await database.close()
    }

    @Test(.enabled(if: SmallDisk.isPermitted, "needs the right to mount"))
    func `a full disk is refused until there is space`() async throws {
        let disk = try SmallDisk(in: self.folder, mebibytes: 2)
        let filler = disk.fill()
        let database = makeDatabase(self.path)
        #expect(await database.startFailure()?.code == .full)
        #expect(await database.check().status == .error)
        try disk.makeRoom(removing: filler)
        #expect(await database.startFailure() == nil)
        await database.close()
    }

    // MARK: - Locked

    @Test(.enabled(if: OtherProcess.isAvailable, "needs the sqlite3 shell"))
    func `a file that another process has locked is refused until it is free`() async throws {
        try await withDatabase(self.path) { _ in }
        let other = try OtherProcess(
            self.path, keeping: "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM drill_rows;")
        let database = makeDatabase(self.path)
        #expect(await database.startFailure()?.code == .locked)
        #expect(await database.check().status == .error)
        try other.end()
        #expect(await database.startFailure() == nil)
        #expect(await database.check().status == .connected)
        await database.close()
    }

    @Test(.enabled(if: OtherProcess.isAvailable, "needs the sqlite3 shell"))
    func `an interruption ends the wait for a locked file`() async throws {
        try await withDatabase(self.path) { _ in }
        let other = try OtherProcess(
            self.path, keeping: "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM drill_rows;")
        let database = makeDatabase(self.path, startTimeout: .seconds(3600))
        async let failure = database.startFailure()
        try await Task.sleep(for: .milliseconds(50))
        database.interrupt()
        #expect(await failure?.code == .locked)
        // It lasts, so that no retry waits either.
        #expect(await database.startFailure()?.code == .locked)
        await database.close()
        try other.end()
    }
}
