// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Something in flight that a shutdown waits for: a request, a transaction, a background task.
public protocol Work: AnyObject, Sendable {
    /// What the log calls it: a route pattern or a fixed phrase, never a path or a value.
    var workName: String { get }
    /// Asks it to stop early. It may be called more than once, from any thread.
    func cancelWork()
    /// The task that did it has trapped and will never come back: finishes what others wait for, then calls `done`. Called
    /// on the crash guard's thread; it must not block. By default there is nothing to finish.
    func loseWork(done: @escaping @Sendable () -> Void)
}

extension Work {
    public func loseWork(done: @escaping @Sendable () -> Void) { done() }

    /// Its identity, as the signal handler of the crash guard knows it.
    var workID: UInt { UInt(bitPattern: ObjectIdentifier(self)) }
}

/// Work that is known by a fixed name and may be cancelled before there is anything to cancel.
final class NamedWork: Work {
    private enum State {
        case running(cancel: (@Sendable () -> Void)?)
        case cancelled
    }

    let workName: String
    /// The work that it is part of, which it is lost with; 0 if none.
    let parent: UInt
    private let onLoss: @Sendable () -> Void
    private let state = Mutex(State.running(cancel: nil))

    init(name: String, parent: UInt = 0, onLoss: @escaping @Sendable () -> Void = {}) {
        self.workName = name
        self.parent = parent
        self.onLoss = onLoss
    }

    func loseWork(done: @escaping @Sendable () -> Void) {
        self.onLoss()
        done()
    }

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
