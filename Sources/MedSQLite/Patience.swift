// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// How long a connection goes on asking for a lock that somebody else holds.
///
/// SQLite calls it from the connection's own dispatch queue, which may sleep; anyone may end the wait from outside.
final class Patience: Sendable {
    private struct State {
        var limit: Duration
        var start = ContinuousClock.now
        var isCancelled = false
        var isStopped = false
    }

    private let state: Mutex<State>

    init(limit: Duration) {
        self.state = Mutex(State(limit: limit))
    }

    /// Prepares for a new piece of work on the connection.
    func begin(limit: Duration) {
        self.state.withLock { state in
            state.limit = limit
            state.isCancelled = false
        }
    }

    /// Ends the wait of the current piece of work.
    func cancel() {
        self.state.withLock { $0.isCancelled = true }
    }

    /// Ends the current wait and every later one.
    func stop() {
        self.state.withLock { $0.isStopped = true }
    }

    var isStopped: Bool {
        self.state.withLock { $0.isStopped }
    }

    /// Takes ``stop()`` back.
    func resume() {
        self.state.withLock { $0.isStopped = false }
    }

    /// Whether to ask again, after a nap. `attempt` is zero at the first refusal.
    func isWorthAnother(attempt: Int) -> Bool {
        let goesOn = self.state.withLock { state in
            if attempt == 0 { state.start = .now }
            return !state.isStopped && !state.isCancelled && ContinuousClock.now - state.start < state.limit
        }
        if goesOn {
            Thread.sleep(forTimeInterval: attempt < 10 ? 0.001 : 0.01)
        }
        return goesOn
    }
}
