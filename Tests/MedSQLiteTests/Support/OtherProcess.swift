// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The `sqlite3` shell with a database open: another process, for real.
final class OtherProcess: Sendable {
    static let isAvailable = (try? OtherProcess.run("sqlite3", "--version")) == 0

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    /// Runs the statements on the file and keeps the connection, with the locks they took, until ``end()``.
    init(_ path: String, keeping statements: String) throws {
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = ["sqlite3", path]
        self.process.standardInput = self.input
        self.process.standardOutput = self.output
        // A process that another test starts must not inherit these: the shell would wait for that one's end too.
        for handle in [self.input.fileHandleForWriting, self.output.fileHandleForReading] {
            _ = fcntl(handle.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        try self.process.run()
        try self.input.fileHandleForWriting.write(contentsOf: Data("\(statements)\n.print done\n".utf8))
        var said = ""
        while !said.contains("done") {
            let data = self.output.fileHandleForReading.availableData
            try #require(!data.isEmpty, "the sqlite3 shell ended early")
            said += String(decoding: data, as: UTF8.self)
        }
    }

    deinit {
        self.process.terminate()
    }

    /// Lets the locks go.
    func end() throws {
        try self.input.fileHandleForWriting.close()
        self.process.waitUntilExit()
    }

    /// Runs a command to its end and returns its exit code.
    @discardableResult
    static func run(_ arguments: String...) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}
