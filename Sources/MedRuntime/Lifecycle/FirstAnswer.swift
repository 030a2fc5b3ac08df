// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The first of several answers to a question, given by whoever has one: a check's own or that its time is over, what a task
/// returns or that it is lost.
final class FirstAnswer<Answer: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Answer, Never>)
        case given(Answer)
        case taken
    }

    private let state = Mutex(State.open)

    /// Gives an answer; only the first one counts.
    func give(_ answer: Answer) {
        let waiter = self.state.withLock { state -> CheckedContinuation<Answer, Never>? in
            switch state {
            case .open:
                state = .given(answer)
                return nil
            case .awaited(let continuation):
                state = .taken
                return continuation
            case .given, .taken:
                return nil
            }
        }
        waiter?.resume(returning: answer)
    }

    /// Waits for the first answer; to be asked once.
    var value: Answer {
        get async {
            await withCheckedContinuation { continuation in
                let given = self.state.withLock { state -> Answer? in
                    guard case .given(let answer) = state else {
                        state = .awaited(continuation)
                        return nil
                    }
                    state = .taken
                    return .some(answer)
                }
                if let given { continuation.resume(returning: given) }
            }
        }
    }
}
