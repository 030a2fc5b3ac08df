// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// The real binary, running `serve` (or another command) in a folder of its own.
///
/// ```swift
/// let server = try ServerProcess(in: folder, environment: ["DRILL_ROUTES": "on"])
/// try await server.waitUntilReady()
/// let answer = try await server.get("/live")
/// server.send(SIGTERM)
/// #expect(try await server.waitForExit() == .code(0))
/// ```
package final class ServerProcess: Sendable {
    /// The process itself.
    package let process: ChildProcess
    private let logsJSON: Bool

    /// Starts the binary. The environment is `PATH`, a free port, JSON logs, and what the test gives, nothing else.
    ///
    /// - Parameter launcher: A command, with its arguments, that starts the binary, such as `prlimit --nofile=300`.
    package init(
        in folder: URL,
        _ arguments: [String] = ["serve"],
        environment: [String: String] = [:],
        launcher: [String] = [],
        readsOutput: Bool = true
    ) throws {
        let base = ["PATH": "/usr/local/bin:/usr/bin:/bin", "PORT": "0", "LOG_FORMAT": "json"]
        let environment = base.merging(environment) { _, given in given }
        let command = launcher + [BinaryUnderTest.path] + arguments
        self.logsJSON = arguments == ["serve"] && environment["LOG_FORMAT"] == "json"
        self.process = try ChildProcess(
            command[0],
            Array(command.dropFirst()),
            environment: environment,
            folder: folder,
            readsOutput: readsOutput
        )
    }

    /// The port of the start record, `serving on port 5000`; waits for that record.
    package var port: Int {
        get async throws {
            let prefix = "serving on port "
            let record = try await self.record { $0.message.hasPrefix(prefix) }
            guard let port = Int(record.message.dropFirst(prefix.count)) else {
                throw HarnessError(.malformed, "No port in '\(record.message)'.")
            }
            return port
        }
    }

    /// Waits until `/ready` is 200.
    package func waitUntilReady() async throws {
        let port = try await self.port
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while try await RawClient.exchange(port: port, "GET", "/ready").status != 200 {
            guard Date() < limit else { throw HarnessError(.nothingCame, "The server did not become ready.") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// A `GET` on a connection of its own.
    package func get(_ target: String) async throws -> RawResponse {
        try await RawClient.exchange(port: self.port, "GET", target)
    }

    /// A `POST` on a connection of its own.
    package func post(_ target: String, body: String = "") async throws -> RawResponse {
        try await RawClient.exchange(port: self.port, "POST", target, body: body)
    }

    /// A new connection.
    package func connect(receiveBuffer: Int32? = nil) async throws -> RawClient {
        try await RawClient.connect(port: self.port, receiveBuffer: receiveBuffer)
    }

    /// Every log record so far.
    package var records: [LoggedRecord] { self.process.output.lines.map(LoggedRecord.init(line:)) }

    /// The messages of every log record so far.
    package var messages: [String] { self.records.map(\.message) }

    /// Waits for a record with exactly this message.
    @discardableResult
    package func record(_ message: String) async throws -> LoggedRecord {
        try await self.record(described: "the log record '\(message)'") { $0.message == message }
    }

    /// Waits for a record that `matches`.
    @discardableResult
    package func record(
        described what: String = "a log record",
        where matches: @escaping @Sendable (LoggedRecord) -> Bool
    ) async throws -> LoggedRecord {
        let found = try await self.process.output.wait(for: what) { lines in
            lines.lazy.map(LoggedRecord.init(line:)).first(where: matches)
        }
        guard let found else { throw HarnessError(.exited, "The process ended without \(what).") }
        return found
    }

    /// What lines of its log break of the schema for such logs, each with the line; nothing if the log is for people.
    package var malformedLines: [String] {
        guard self.logsJSON else { return [] }
        return self.process.output.completeLines.compactMap { line in
            ECSLine.finding(in: line).map { "\($0) \(line.prefix(1000))" }
        }
    }

    /// Sends a signal.
    package func send(_ signal: Int32) { self.process.send(signal) }

    /// Waits until the process has ended and everything it wrote is read.
    package func waitForExit() async throws -> ChildProcess.Exit {
        let exit = try await self.process.waitForExit()
        try await self.process.waitForOutput()
        return exit
    }

    /// The end of what it wrote, for the message of a failed test.
    package var tail: String {
        let lines = self.process.output.lines.suffix(40).map { $0.count > 1000 ? $0.prefix(1000) + "…" : $0 }
        let errors = self.process.errors.lines.suffix(20)
        let state = self.process.hasEnded ? "has ended" : "is running"
        return "Process \(self.process.identifier) \(state). Its last log lines:\n\(lines.joined(separator: "\n"))"
            + (errors.isEmpty ? "" : "\nStandard error:\n\(errors.joined(separator: "\n"))")
    }
}
