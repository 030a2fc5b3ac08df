// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Something in flight that a shutdown waits for: a request, a transaction, a background task.
public protocol Work: AnyObject, Sendable {
    /// What the log calls it: a route pattern or a fixed phrase, never a path or a value.
    var workName: String { get }
    /// Asks it to stop early. It may be called more than once, from any thread.
    func cancelWork()
}

/// Work that is known by a fixed name and may be cancelled before there is anything to cancel.
final class NamedWork: Work {
    private enum State {
        case running(cancel: (@Sendable () -> Void)?)
        case cancelled
    }

    let workName: String
    private let state = Mutex(State.running(cancel: nil))

    init(name: String) { self.workName = name }

    /// What ``cancelWork()`` does. It is done at once if the cancellation came first.
    func onCancel(_ action: @escaping @Sendable () -> Void) {
        let isCancelled = self.state.withLock { state in
            if case .cancelled = state { return true }
            state = .running(cancel: action)
            return false
        }
        if isCancelled { action() }
    }

    func cancelWork() {
        let action = self.state.withLock { state -> (@Sendable () -> Void)? in
            defer { state = .cancelled }
            guard case .running(let cancel) = state else { return nil }
            return cancel
        }
        action?()
    }
}
