// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Synchronization
import SystemPackage

/// A process that runs until it ends by itself, by a signal, or with the drill.
final class DrillProcess: Sendable {
    private let identifier: Int32
    private let log: URL
    private let ending: Task<String, any Error>
    private let hasEnded: Atomic<Bool>

    /// Starts a program, whose output goes to a file.
    ///
    /// - Throws: If it cannot be started.
    static func start(
        _ program: String, _ arguments: [String], environment: [String: String], folder: URL, log: String
    ) async throws -> DrillProcess {
        let log = folder.appending(path: log)
        let file = try FileDescriptor.open(
            FilePath(log.path), .writeOnly, options: [.create, .append, .closeOnExec],
            permissions: .ownerReadWrite)
        let (started, continuation) = AsyncThrowingStream.makeStream(of: Int32.self)
        let ending = Task {
            do {
                let result = try await Subprocess.run(
                    // It ends with the drill, however that ends.
                    .path("/usr/bin/setpriv"),
                    arguments: Arguments(["--pdeathsig", "KILL", "--", program] + arguments),
                    environment: .custom(
                        Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })),
                    workingDirectory: FilePath(folder.path),
                    input: .none,
                    output: .fileDescriptor(file, closeAfterSpawningProcess: false),
                    error: .fileDescriptor(file, closeAfterSpawningProcess: true)
                ) { execution in
                    continuation.yield(execution.processIdentifier.value)
                    continuation.finish()
                }
                return switch result.terminationStatus {
                case .exited(let code): "exit \(code)"
                case .signaled(let number): "signal \(number)"
                }
            } catch {
                continuation.finish(throwing: error)
                throw error
            }
        }
        for try await identifier in started { return DrillProcess(identifier, log, ending) }
        throw DrillError("\(program) was not started.")
    }

    private init(_ identifier: Int32, _ log: URL, _ ending: Task<String, any Error>) {
        self.identifier = identifier
        self.log = log
        self.ending = ending
        self.hasEnded = Atomic(false)
        Task {
            _ = await ending.result
            self.hasEnded.store(true, ordering: .releasing)
        }
    }

    /// Whether it is gone.
    var isGone: Bool { self.hasEnded.load(ordering: .acquiring) }

    /// The last line that it wrote.
    var lastLine: String {
        let lines = (try? String(contentsOf: self.log, encoding: .utf8))?.split(separator: "\n")
        return lines?.last.map { String($0) } ?? "none."
    }

    func send(_ signal: Int32) {
        // Once it is gone, the number may be somebody else's.
        if !self.isGone { kill(self.identifier, signal) }
    }

    /// Waits until it has ended, and tells how: `exit 0`, `signal 9`.
    func end() async throws -> String { try await self.ending.value }
}
