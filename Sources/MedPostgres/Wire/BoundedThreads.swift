// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Foundation
import Synchronization

/// Threads for what blocks in libpq, each for one call, and never more than so many of them.
///
/// A call that hangs in the resolver or in a dead network holds its own thread and nobody else: whoever waits for it gives up in time.
final class BoundedThreads: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// Runs `work` on a thread of its own and waits for it until the deadline or until the task is cancelled; nil if it gave up, or if all
    /// threads are taken. A value that comes later goes to `abandon`, on that thread.
    func run<Value: Sendable>(
        until deadline: ContinuousClock.Instant,
        abandon: @escaping @Sendable (Value) -> Void = { _ in },
        _ work: @escaping @Sendable () -> Value
    ) async -> Value? {
        let outcome = Outcome<Value>()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                outcome.wait(continuation)
                guard self.start({ if !outcome.give($0) { abandon($0) } }, work) else { return outcome.giveUp() }
                let left = max(.zero, deadline - .now)
                DispatchQueue.global().asyncAfter(deadline: .now() + left / .seconds(1)) { outcome.giveUp() }
            }
        } onCancel: {
            outcome.giveUp()
        }
    }

    /// Runs `work` on a thread of its own and hands its value to `done` there; false if all threads are taken.
    func start<Value: Sendable>(
        _ done: @escaping @Sendable (Value) -> Void,
        _ work: @escaping @Sendable () -> Value
    ) -> Bool {
        let isFree = self.count.withLock { count in
            guard count < self.limit else { return false }
            count += 1
            return true
        }
        guard isFree else { return false }
        Thread {
            med_name_thread("MedPostgres")
            done(work())
            self.count.withLock { $0 -= 1 }
        }.start()
        return true
    }

    /// Waits until no thread is in a call any more, up to the limit.
    ///
    /// Whoever ends the process with `exit` takes libcrypto away from those that still are.
    func finish(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while self.count.withLock({ $0 > 0 }), .now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return }
        }
    }

    /// Somebody waits for a value, and gets it or nil, once.
    private final class Outcome<Value: Sendable>: Sendable {
        private enum State {
            case nobodyWaits
            case waiting(CheckedContinuation<Value?, Never>)
            case over
        }

        private let state = Mutex(State.nobodyWaits)

        func wait(_ continuation: CheckedContinuation<Value?, Never>) {
            let isOver = self.state.withLock { state in
                guard case .nobodyWaits = state else { return true }
                state = .waiting(continuation)
                return false
            }
            if isOver { continuation.resume(returning: nil) }
        }

        /// Whether somebody took it.
        func give(_ value: Value) -> Bool {
            guard let continuation = self.end() else { return false }
            continuation.resume(returning: value)
            return true
        }

        func giveUp() { self.end()?.resume(returning: nil) }

        private func end() -> CheckedContinuation<Value?, Never>? {
            self.state.withLock { state in
                defer { state = .over }
                if case .waiting(let continuation) = state { return continuation }
                return nil
            }
        }
    }
}
