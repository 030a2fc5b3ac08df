// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The thread that starts every process, one after the other, and lives as long as the tests do.
///
/// A process is killed when the thread that started it ends (`setpriv --pdeathsig`), so that a test run that is killed
/// leaves no servers behind; the threads of a pool come and go. And a process that another thread started between the
/// making of a pipe and its marking as private would inherit the pipe's ends, and keep it open.
final class SpawnThread: Sendable {
    static let shared = SpawnThread()

    private let jobs = Watched<[@Sendable () -> Void]>([])

    private init() {
        let jobs = self.jobs
        Thread.detachNewThread {
            while true {
                // Nothing to do for a long time is no failure here.
                try? jobs.block(for: "a process to start") { $0.isEmpty ? nil : () }
                for job in jobs.update({ queued in
                    defer { queued = [] }; return queued
                }) { job() }
            }
        }
    }

    /// Runs `body` there, and waits for it.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let result = Watched<Result<Value, any Error>?>(nil)
        self.jobs.update { $0.append { result.update { $0 = Result(catching: body) } } }
        return try result.block(for: "a process to start") { $0 }.get()
    }
}
