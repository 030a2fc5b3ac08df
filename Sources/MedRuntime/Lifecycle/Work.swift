// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The identity of work, never used twice in a process: a task that outlives its work must not be taken for another's.
public struct WorkID: Hashable, Sendable {
    private static let last = Atomic<UInt>(0)

    /// A plain word, which the crash guard's signal handler reads; never 0.
    let value: UInt

    /// A new identity.
    public init() { self.value = Self.last.add(1, ordering: .relaxed).newValue }
}

/// Something in flight that a shutdown waits for: a request, a transaction, a background task.
public protocol Work: AnyObject, Sendable {
    /// What the log calls it: a route pattern or a fixed phrase, never a path or a value.
    var workName: String { get }
    /// Its identity: a constant, made with it.
    var workID: WorkID { get }
    /// Asks it to stop early. It may be called more than once, from any thread, and must not block: a task's cancellation
    /// runs the application's own handlers, so it belongs into another task.
    func cancelWork()
    /// The task that did it has trapped and will never come back: finishes what others wait for, then calls `done`. Called
    /// on the crash guard's thread; it must not block. By default there is nothing to finish.
    func loseWork(done: @escaping @Sendable () -> Void)
}

extension Work {
    public func loseWork(done: @escaping @Sendable () -> Void) { done() }
}

/// Work that is known by a fixed name and may be cancelled before there is anything to cancel.
final class NamedWork: Work {
    private enum State {
        case running(cancel: (@Sendable () -> Void)?)
        case cancelled
    }

    let workName: String
    let workID = WorkID()
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
