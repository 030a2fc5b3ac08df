// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import MedStorage

/// The file of a database, before there is a connection to it: is it ours, and if there is none, make it.
///
/// A file that is not ours is only ever read, and only with plain reads or as SQLite's `immutable`, which neither locks it nor puts
/// files beside it. All of this blocks and belongs on a dispatch queue.
struct DatabaseFile {
    /// "MEDB", in the header of every database of ours.
    static let applicationID: Int32 = 0x4d45_4442

    let path: String
    let createsParentFolders: Bool
    let patience: Patience

    private enum Finding {
        case missing
        /// Ours, but empty or with a creation that somebody has not finished (or is busy with).
        case unfinished
        case ours
    }

    /// Leaves a file that is ours, complete and writable, or throws. Says whether it is a new database.
    func prepare() throws -> Bool {
        // Between a look and the next step the file may come or go; that does not happen for ever.
        for _ in 0..<3 {
            switch try self.look() {
            case .missing:
                try self.create()
            case .unfinished:
                try self.requireWritable()
                return try self.initialize()
            case .ours:
                try self.requireWritable()
                return false
            }
        }
        throw self.error(.cannotOpen, "appears and disappears. Look for another process that creates and deletes it.")
    }

    // MARK: - Look

    private func look() throws -> Finding {
        var info = stat()
        guard stat(self.path, &info) == 0 else {
            guard errno == ENOENT else { throw self.failure(errno) }
            guard lstat(self.path, &info) != 0 else {
                throw self.error(
                    .cannotOpen, "is a symbolic link to nothing. Create the file it should lead to, or remove the link."
                )
            }
            return .missing
        }
        if info.st_mode & S_IFMT == S_IFDIR {
            throw self.error(.isDirectory, "is a folder. Name a file, such as one inside it.")
        }
        guard info.st_mode & S_IFMT == S_IFREG else {
            throw self.error(.cannotOpen, "is not a regular file. Name a file.")
        }
        if FileClaim.isClaimed(FileIdentity(info)) {
            throw self.error(.cannotOpen, "is already open in this process. Use that database, or close it first.")
        }
        if info.st_size == 0 { return .unfinished }

        // The companions first: if there are none now, what is read next is complete.
        let journal = try self.journal()
        let hasLog = FileManager.default.fileExists(atPath: self.companion("-wal"))
        let header = try Self.read(100, of: self.path) ?? []
        guard header.count == 100, header.starts(with: "SQLite format 3\0".utf8) else {
            if journal == .ofCreation { return .unfinished }
            throw self.error(
                .notADatabase,
                "is not a SQLite database; it was left as it is. Name another file, or move this one away.")
        }
        let applicationID = header[68..<72].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard applicationID == UInt32(Self.applicationID) else {
            throw self.foreign
        }
        if journal != nil { return .unfinished }
        do {
            if try self.hasMigrationsTable() { return .ours }
        } catch {
            // Halfway through copying its log, a database of ours looks damaged. SQLite finishes that when it opens the file.
            if hasLog { return .ours }
            throw error
        }
        if hasLog { return .ours }
        throw self.foreign
    }

    private enum Journal {
        /// Of a transaction on a database that was empty before it.
        case ofCreation
        case other
    }

    /// The rollback journal beside the file, if it is one that SQLite would play back.
    ///
    /// The creation of a database is a transaction on an empty file. Killed halfway, it may leave anything in the file; the journal,
    /// written first, then says that there were zero pages before, and SQLite makes the file empty again when it opens it.
    private func journal() throws -> Journal? {
        guard let header = try Self.read(20, of: self.companion("-journal")), header.count == 20 else { return nil }
        guard header.starts(with: [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]) else { return nil }
        return header[16..<20].allSatisfy { $0 == 0 } ? .ofCreation : .other
    }

    private func hasMigrationsTable() throws -> Bool {
        var configuration = Configuration()
        configuration.readonly = true
        return try DatabaseQueue(path: Self.uri(self.path, "immutable=1"), configuration: configuration).read { db in
            try Self.hasMigrationsTable(db)
        }
    }

    static func hasMigrationsTable(_ db: GRDB.Database) throws -> Bool {
        try Bool.fetchOne(
            db,
            sql: "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?)",
            arguments: [MigrationPlan.tableName]
        ) ?? false
    }

    /// SQLite's companions are named after the file that a symbolic link leads to.
    private func companion(_ suffix: String) -> String {
        guard let resolved = realpath(self.path, nil) else { return self.path + suffix }
        defer { free(resolved) }
        return String(cString: resolved) + suffix
    }

    /// Up to `count` bytes from the start of a file, or nil if there is no file.
    private static func read(_ count: Int, of path: String) throws -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Self.failure(errno, path: path)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: count)
        let length = pread(descriptor, &bytes, count, 0)
        guard length >= 0 else { throw Self.failure(errno, path: path) }
        return Array(bytes.prefix(length))
    }

    // MARK: - Make

    private func create() throws {
        if self.createsParentFolders {
            do {
                try FileManager.default.createDirectory(
                    atPath: (self.path as NSString).deletingLastPathComponent,
                    withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700]
                )
            } catch {
                throw self.error(
                    .cannotOpen, "cannot be created: its folder cannot be. Create the folder, or name another file.")
            }
        }
        // It will hold PHI; SQLite gives its companions the same mode.
        let descriptor = open(self.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            close(descriptor)
        } else if errno == ENOENT {
            throw self.error(
                .cannotOpen, "cannot be created: its folder does not exist. Create the folder, or name another file.")
        } else if errno != EEXIST {
            throw self.failure(errno)
        }
    }

    /// Makes the empty file a database of ours, in one transaction, unless another process was faster.
    ///
    /// The file is switched to WAL only afterwards, so until this is done its state is told by two things, the header and the
    /// rollback journal, and whatever moment a crash hits, ``look()`` knows the file again.
    private func initialize() throws -> Bool {
        var isNew = false
        var configuration = Configuration()
        configuration.busyMode = .callback { [patience] in patience.isWorthAnother(attempt: $0) }
        let queue = try DatabaseQueue(path: self.path, configuration: configuration)
        try queue.inTransaction(.exclusive) { db in
            if try Self.hasMigrationsTable(db) { return .rollback }
            guard try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0 else { throw self.foreign }
            try db.execute(
                sql: """
                    PRAGMA application_id = \(Self.applicationID);
                    CREATE TABLE \(MigrationPlan.tableName) (
                        version INTEGER PRIMARY KEY,
                        name TEXT NOT NULL,
                        checksum TEXT NOT NULL,
                        min_compatible INTEGER NOT NULL,
                        applied_at TEXT NOT NULL
                    );
                    """
            )
            isNew = true
            return .commit
        }
        try queue.close()
        return isNew
    }

    /// SQLite would open a file that it cannot write read-only, without a word, and fail later.
    private func requireWritable() throws {
        for path in [self.path, (self.companion("") as NSString).deletingLastPathComponent]
        where access(path, R_OK | W_OK) != 0 {
            throw self.failure(errno)
        }
    }

    // MARK: - Words

    /// A URI for SQLite, in which no character of the path means anything.
    static func uri(_ path: String, _ options: String) -> String {
        // Every path can be encoded, since it is made of whole characters.
        let encoded = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? path
        return "file:\(encoded)?\(options)"
    }

    private var foreign: DatabaseError {
        self.error(
            .foreignFile,
            "is a SQLite database of another application; it was left as it is. Name another file, or move this one away."
        )
    }

    private func error(_ code: DatabaseError.Code, _ sentence: String) -> DatabaseError {
        DatabaseError(code: code, description: "Database '\(self.path)' \(sentence)")
    }

    private func failure(_ number: Int32) -> DatabaseError {
        Self.failure(number, path: self.path)
    }

    private static func failure(_ number: Int32, path: String) -> DatabaseError {
        let (code, cure): (DatabaseError.Code, String) =
            switch number {
            case EROFS: (.readOnly, "Mount its file system writable, or name a file elsewhere.")
            case EACCES, EPERM: (.cannotOpen, "Let the server read and write the file and its folder.")
            case ENOSPC, EDQUOT: (.full, "Make space where the file is.")
            case EIO: (.inputOutput, "Look at the disk and the kernel log.")
            default: (.cannotOpen, "Look at the path.")
            }
        return DatabaseError(
            code: code, description: "Database '\(path)' cannot be used: \(String(cString: strerror(number))). \(cure)")
    }
}
