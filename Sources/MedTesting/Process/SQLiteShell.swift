// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// Another process that has a database file open: the `sqlite3` command.
package final class SQLiteShell: Sendable {
    private let process: ChildProcess

    /// Runs `sql` on `file` and gives what it prints, a line per row.
    @discardableResult
    package static func run(_ sql: String, on file: URL) async throws -> [String] {
        try await runTool("sqlite3", ["-bail", file.path, sql]).split(separator: "\n").map(String.init)
    }

    /// Opens `file` and locks it against everyone else, readers included, until ``release()``.
    package static func lock(_ file: URL) async throws -> SQLiteShell {
        let shell = try SQLiteShell(
            file, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM sqlite_schema;")
        return try await shell.ready()
    }

    /// Opens `file` and holds the lock of the one who writes; others may read.
    package static func lockWriting(_ file: URL) async throws -> SQLiteShell {
        try await SQLiteShell(file, "BEGIN IMMEDIATE;").ready()
    }

    private init(_ file: URL, _ sql: String) throws {
        self.process = try ChildProcess(
            "sqlite3",
            ["-bail", file.path],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"],
            folder: URL(filePath: "/"),
            input: "\(sql)\nSELECT 'held';\n"
        )
    }

    private func ready() async throws -> SQLiteShell {
        let held = try await self.process.output.wait(for: "sqlite3 to hold its lock") {
            $0.contains("held") ? true : nil
        }
        guard held == true else { throw HarnessError(.system, "sqlite3 failed: \(self.process.errorText)") }
        return self
    }

    /// Lets the file go. (Killed, so that it cannot tidy up the file behind the server's back.)
    package func release() async throws { try await self.process.end() }
}
