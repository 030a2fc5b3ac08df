// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The first of two answers to a question: the check's own, or nil when its time is over.
final class FirstAnswer: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<HealthReport?, Never>)
        case given(HealthReport?)
        case taken
    }

    private let state = Mutex(State.open)

    /// Gives an answer; only the first one counts.
    func give(_ report: HealthReport?) {
        let waiter = self.state.withLock { state -> CheckedContinuation<HealthReport?, Never>? in
            switch state {
            case .open:
                state = .given(report)
                return nil
            case .awaited(let continuation):
                state = .taken
                return continuation
            case .given, .taken:
                return nil
            }
        }
        waiter?.resume(returning: report)
    }

    /// Waits for the first answer; to be asked once.
    var value: HealthReport? {
        get async {
            await withCheckedContinuation { continuation in
                let given = self.state.withLock { state -> HealthReport?? in
                    guard case .given(let report) = state else {
                        state = .awaited(continuation)
                        return nil
                    }
                    state = .taken
                    return .some(report)
                }
                if let given { continuation.resume(returning: given) }
            }
        }
    }
}
