// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The kernel's small text files below a root folder. A test's root holds a recorded tree.
struct MemoryFiles: Sendable {
    private let root: String

    init(root: String) {
        self.root = root.hasSuffix("/") ? root : root + "/"
    }

    /// Whether there is a folder.
    func hasFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(self.root + path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The content of a file; `nil` if there is no such file.
    func text(_ path: String) throws(MemoryFileError) -> String? {
        let descriptor = open(self.root + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw self.unreadable(path)
        }
        defer { _ = close(descriptor) }

        // Such files say that their size is 0, so it is read until there is no more.
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count > 0 {
                content += piece[..<count]
                guard content.count <= 1 << 20 else { throw MemoryFileError(path: path, problem: "is too long") }
            } else if count == 0 {
                return String(decoding: content, as: UTF8.self)
            } else if errno != EINTR {
                throw self.unreadable(path)
            }
        }
    }

    private func unreadable(_ path: String) -> MemoryFileError {
        MemoryFileError(path: path, problem: "cannot be read (\(String(cString: strerror(errno))))")
    }

    /// The number that is a file's content, the largest for `max`; `nil` if there is no such file.
    func number(_ path: String) throws(MemoryFileError) -> UInt64? {
        guard let text = try self.text(path)?.prefix(while: { $0 != "\n" }) else { return nil }
        guard let number = text == "max" ? UInt64.max : UInt64(text) else {
            throw MemoryFileError(path: path, problem: "is not a number")
        }
        return number
    }

    /// The number after a name, of a file with a name and a number in each line; `nil` if there is no such line.
    func field(_ name: String, of path: String) throws(MemoryFileError) -> UInt64? {
        for line in try self.text(path)?.split(separator: "\n") ?? [] {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.first == name[...] else { continue }
            guard words.count >= 2, let number = UInt64(words[1]) else {
                throw MemoryFileError(path: path, problem: "has no number after '\(name)'")
            }
            return number
        }
        return nil
    }

    /// The machine's memory in bytes.
    func machineBytes() throws(MemoryFileError) -> UInt64 {
        let path = "proc/meminfo"
        guard let kibibytes = try self.field("MemTotal:", of: path), kibibytes > 0, kibibytes < 1 << 54 else {
            throw MemoryFileError(path: path, problem: "does not say how much memory there is")
        }
        return kibibytes * 1024
    }
}

/// What is wrong with one file. It stays inside: the reader turns to the next source, and reports only if none is left.
struct MemoryFileError: Error, Equatable, CustomStringConvertible {
    let path: String
    let problem: String

    var description: String { "/\(self.path) \(self.problem)" }
}
