// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FoundationEssentials
import Glibc

/// A folder for what could not be sent before the process ended. The next one sends it first.
///
/// Files of mode 0600 in a folder of mode 0700, one for each body, as it goes over the wire. They appear whole or not
/// at all. When the folder is full, it keeps what it has: the older says more about why the process had to end. A file
/// that cannot be read stays there for whoever wants to look at it, with `.unreadable` after its name, and counts no more;
/// the newest eight of these do.
public struct OTLPSpool: Sendable {
    /// A body is never larger: it has at most 1 MB, and grows by little if it cannot be compressed.
    private static let maximumFileSize = 2_097_152

    private static let maximumUnreadable = 8

    /// What becomes of reading a file.
    enum Loaded: Equatable {
        case body(OTLPBody)
        /// It never can be read, or is none of ours.
        case unreadable
        /// It may be read later: there is no descriptor for it now, or no memory.
        case notNow
        /// The disk has failed; another process may try again.
        case failed
    }

    private let folder: String
    private let limit: Int
    private let openToRead: @Sendable (String) -> Int32

    /// A spool in this folder, which is made when it is needed.
    ///
    /// - Parameters:
    ///   - folder: its path; nobody else writes there.
    ///   - limit: how many bytes all files have together at most.
    public init(folder: String, limit: Int = 16_777_216) {
        self.init(folder: folder, limit: limit) { open($0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
    }

    /// The same with another way to open files, which has to set `errno` when it fails.
    init(folder: String, limit: Int = 16_777_216, openToRead: @escaping @Sendable (String) -> Int32) {
        self.folder = folder
        self.limit = limit
        self.openToRead = openToRead
    }

    // MARK: What the workers call

    /// The files of a signal, oldest first; nil if the folder cannot be looked at now.
    func names(_ signal: OTLPSignal) async -> [String]? {
        await self.offPool { $0.list()?.filter { Self.description(of: $0)?.signal == signal } }
    }

    /// What is in a file.
    func load(_ name: String) async -> Loaded {
        await self.offPool { spool in
            guard let file = Self.description(of: name) else { return .unreadable }
            do throws(ReadError) {
                guard let bytes = try spool.read(name) else { return .unreadable }
                return .body(
                    OTLPBody(
                        signal: file.signal, form: file.form, isCompressed: file.isCompressed, count: file.count,
                        bytes: bytes))
            } catch {
                return error.number == EIO ? .failed : error.isPassing ? .notNow : .unreadable
            }
        }
    }

    /// Renames a file that cannot be read, so that nobody tries it again.
    ///
    /// - Returns: how many items it should have had; `nil` if it is there still, or was none of ours.
    func setAside(_ name: String) async -> Int? {
        await self.offPool { spool in
            guard let file = Self.description(of: name), rename(spool.path(name), spool.path(name) + ".unreadable") == 0
            else { return nil }
            for old in (spool.list() ?? []).filter({ $0.hasSuffix(".unreadable") }).dropLast(Self.maximumUnreadable) {
                unlink(spool.path(old))
            }
            return file.count
        }
    }

    func remove(_ name: String) async { await self.offPool { _ = unlink($0.path(name)) } }

    /// Keeps the bodies for the next process, as many as there is room for.
    ///
    /// - Returns: whether each one is kept.
    func save(_ bodies: [OTLPBody], wallNow: UInt64) async -> [Bool] {
        await self.offPool { spool in
            guard !bodies.isEmpty, spool.makeFolder() else { return bodies.map { _ in false } }
            var size = spool.size()
            return bodies.enumerated().map { index, body in
                guard size + body.bytes.count <= spool.limit,
                    spool.write(body, name: Self.name(body, wallNow: wallNow, index: index))
                else { return false }
                size += body.bytes.count
                return true
            }
        }
    }

    /// Files may be slow: not on the pool that all tasks share.
    private func offPool<Result: Sendable>(_ body: @escaping @Sendable (OTLPSpool) -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: body(self)) }
        }
    }

    // MARK: Names

    private struct Description {
        let signal: OTLPSignal
        let count: Int
        let form: OTLPProtocol
        let isCompressed: Bool
    }

    /// `TIME-INDEX-SIGNAL-COUNT.FORM`, with leading zeros so that they sort.
    private static func name(_ body: OTLPBody, wallNow: UInt64, index: Int) -> String {
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(padded(wallNow, 20))-\(padded(index, 6))-\(body.signal.rawValue)-\(body.count)"
            + (body.form == .json ? ".json" : ".pb") + (body.isCompressed ? ".gz" : "")
    }

    private static func description(of name: String) -> Description? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        let fields = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), fields.count == 4, fields[0].count == 20, fields[1].count == 6,
            fields[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }), Int(fields[1]) != nil,
            let signal = OTLPSignal(rawValue: String(fields[2])), let count = Int(fields[3]),
            (0...Self.maximumFileSize).contains(count),
            parts[1] == "pb" || parts[1] == "json", parts.count == 2 || parts[2] == "gz"
        else { return nil }
        return Description(
            signal: signal, count: count, form: parts[1] == "json" ? .json : .protobuf, isCompressed: parts.count == 3)
    }

    // MARK: Files

    private func path(_ name: String) -> String { "\(self.folder)/\(name)" }

    /// What is in the folder; nil if it cannot be looked at now.
    private func list() -> [String]? {
        guard self.isOurs else { return [] }
        return try? FileManager.default.contentsOfDirectory(atPath: self.folder).sorted()
    }

    /// Whether the folder is one, of this user, and no link to another: whose files are none of our business.
    private var isOurs: Bool {
        var status = stat()
        return lstat(self.folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && status.st_uid == geteuid()
    }

    private func size() -> Int {
        (self.list() ?? []).reduce(0) { size, name in
            var status = stat()
            guard Self.description(of: name) != nil, lstat(self.path(name), &status) == 0 else { return size }
            return size + Int(status.st_size)
        }
    }

    private func makeFolder() -> Bool {
        try? FileManager.default.createDirectory(
            atPath: self.folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        guard self.isOurs else { return false }
        // Left by a process that was killed while it wrote.
        for name in self.list() ?? [] where name.hasPrefix(".") && name.hasSuffix(".part") { unlink(self.path(name)) }
        return chmod(self.folder, 0o700) == 0
    }

    private struct ReadError: Error {
        let number = errno
        var isPassing: Bool { [EMFILE, ENFILE, ENOMEM].contains(self.number) }
    }

    /// What is in a file; `nil` if it is none that we wrote.
    private func read(_ name: String) throws(ReadError) -> [UInt8]? {
        let file = self.openToRead(self.path(name))
        guard file >= 0 else { throw ReadError() }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw ReadError() }
        guard status.st_mode & S_IFMT == S_IFREG,
            (1...Self.maximumFileSize).contains(Int(status.st_size))
        else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= Self.maximumFileSize {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ReadError() }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
        return nil
    }

    private func write(_ body: OTLPBody, name: String) -> Bool {
        let unfinished = self.path(".\(name).part")
        unlink(unfinished)
        let file = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        var rest = body.bytes[...]
        var isWritten = true
        while !rest.isEmpty, isWritten {
            // The pointer is used within the call alone.
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else { isWritten = count < 0 && errno == EINTR }
        }
        isWritten = isWritten && fsync(file) == 0
        isWritten = close(file) == 0 && isWritten
        isWritten = isWritten && rename(unfinished, self.path(name)) == 0
        if !isWritten { unlink(unfinished) }
        return isWritten
    }
}
