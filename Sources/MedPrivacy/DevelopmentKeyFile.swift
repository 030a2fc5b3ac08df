// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The PHI key of a development machine: made on the first start, kept in the state folder, found by every later one.
///
/// ```swift
/// let key = try DevelopmentKeyFile(folder: "./.medbuilder").loadOrCreate()
/// ```
///
/// What is in the file is never replaced, whatever it is: data may be encrypted under it.
public struct DevelopmentKeyFile: Sendable {
    /// Where the key is: `phi.key` in the folder.
    public let path: String
    private let folder: String

    /// The key file in a folder that need not exist yet.
    public init(folder: String) {
        // Without the dot, the file of an empty name would be in the root of the file system.
        self.folder = folder.isEmpty ? "." : folder
        self.path = self.folder + "/phi.key"
    }

    /// The key in the file; if there is no file, a new key, which is then on the disk.
    ///
    /// A missing folder is made (mode 0700), with its parents. Two processes at once get the same key.
    ///
    /// - Note: It blocks on the file system. Call it before anything runs, not from a task.
    public func loadOrCreate() throws(DevelopmentKeyFileError) -> PHIKey {
        while true {
            if let key = try self.load() { return key }
            try self.makeFolder(self.folder, mode: 0o700)
            if let key = try self.create() { return key }
            // Another process was faster; its file is complete, or it would not have its name.
        }
    }

    /// Whether the file has this key, whoever may read it. A file that is missing or is no key has not.
    ///
    /// - Note: It blocks on the file system. Call it before anything runs, not from a task.
    public func holds(_ key: PHIKey) -> Bool {
        (try? self.load(evenIfShared: true)) == key
    }

    // MARK: Reading

    /// The key in the file, or `nil` if nothing has the file's name.
    private func load(evenIfShared: Bool = false) throws(DevelopmentKeyFileError) -> PHIKey? {
        // O_NONBLOCK: opening a pipe would otherwise wait for a writer.
        let descriptor = Glibc.open(self.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let problem = errno
            guard problem == ENOENT else { throw .unreadable(path: self.path, errno: problem) }
            var status = stat()
            // Anything but a link was put there since, by a process that started with this one.
            if lstat(self.path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
                throw .danglingLink(path: self.path)
            }
            return nil
        }
        defer { _ = close(descriptor) }

        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: self.path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: self.path) }
        guard evenIfShared || status.st_mode & 0o077 == 0 else { throw .notPrivate(path: self.path) }

        // More than a key file holds: enough to see that a file is longer.
        var content: [UInt8] = []
        while content.count < 64 {
            var piece = [UInt8](repeating: 0, count: 64)
            let count = read(descriptor, &piece, piece.count)
            if count == 0 { break }
            if count > 0 {
                content += piece[..<count]
            } else if errno != EINTR {
                throw .unreadable(path: self.path, errno: errno)
            }
        }
        do {
            return try PHIKey(base64: String(decoding: content, as: UTF8.self))
        } catch {
            throw .notAKey(path: self.path, reason: error)
        }
    }

    // MARK: Creating

    private func makeFolder(_ path: String, mode: mode_t) throws(DevelopmentKeyFileError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        var problem = errno
        if problem == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try self.makeFolder(String(path[..<slash]), mode: 0o777)
            if mkdir(path, mode) == 0 || errno == EEXIST { return }
            problem = errno
        }
        throw .notCreated(path: self.path, step: "its folder cannot be made", errno: problem)
    }

    /// A new key, safely in the file; `nil` if another process made the file meanwhile.
    private func create() throws(DevelopmentKeyFileError) -> PHIKey? {
        let key = PHIKey.generate()
        // Not the process id: in two containers that share the folder it is 1 twice.
        let temporary = self.path + ".new-" + String(UInt64.random(in: .min ... .max), radix: 16)
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notCreated(path: self.path, step: "its folder cannot be written to", errno: errno)
        }
        defer { _ = unlink(temporary) }
        do {
            defer { _ = close(descriptor) }
            // A umask can take the owner's own permissions.
            guard fchmod(descriptor, 0o600) == 0, self.write(key.base64ForKeyFile() + "\n", to: descriptor),
                fsync(descriptor) == 0
            else {
                throw DevelopmentKeyFileError.notCreated(path: self.path, step: "it cannot be written", errno: errno)
            }
        }
        // Unlike rename, link never replaces a file.
        guard link(temporary, self.path) == 0 else {
            let problem = errno
            guard problem == EEXIST else {
                throw .notCreated(path: self.path, step: "it cannot be given its name", errno: problem)
            }
            return nil
        }
        try self.syncFolder()
        return key
    }

    private func write(_ text: String, to descriptor: CInt) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    /// Makes the file's name as durable as its content.
    private func syncFolder() throws(DevelopmentKeyFileError) {
        let descriptor = Glibc.open(self.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { _ = close(descriptor) } }
        // EINVAL: the file system does not sync folders, and there is nothing more to do.
        guard descriptor >= 0, fsync(descriptor) == 0 || errno == EINVAL else {
            throw .notCreated(path: self.path, step: "its folder cannot be synced", errno: errno)
        }
    }
}
