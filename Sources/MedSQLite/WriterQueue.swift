// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Admits one task after another to the one connection that writes, in the order in which they came.
///
/// Nobody holds a thread while waiting, and who is cancelled leaves the queue at once.
final class WriterQueue: Sendable {
    /// A turn, which ends once, whoever ends it.
    final class Turn: Sendable {
        private let queue: WriterQueue
        private let isOver = Atomic(false)

        init(of queue: WriterQueue) { self.queue = queue }

        func end() {
            if !self.isOver.exchange(true, ordering: .acquiringAndReleasing) { self.queue.release() }
        }
    }

    private struct State {
        var isTaken = false
        var nextID = 0
        var waiting: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private let state = Mutex(State())

    /// Waits for the turn, which lasts until ``release()``. Throws if the task is or gets cancelled, and then there is no turn.
    func acquire() async throws(CancellationError) {
        let id = self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let isAdmitted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = self.state.withLock { state in
                    // Checked inside the lock: a cancellation from here on finds the waiter in the queue.
                    if Task.isCancelled { return false }
                    if !state.isTaken {
                        state.isTaken = true
                        return true
                    }
                    state.waiting.append((id, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let left = self.state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
            }
            left?.continuation.resume(returning: false)
        }
        guard isAdmitted else { throw CancellationError() }
    }

    /// Waits for the turn no longer than `limit`, and says whether it came.
    func acquire(within limit: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { (try? await self.acquire()) != nil }
            group.addTask {
                try? await Task.sleep(for: limit)
                return false
            }
            var isAdmitted = false
            for await result in group {
                // Both are heard out: a turn that came in the last moment has to be used or given back.
                isAdmitted = isAdmitted || result
                group.cancelAll()
            }
            return isAdmitted
        }
    }

    /// Ends the turn; the next in line has it.
    func release() {
        let next = self.state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if state.waiting.isEmpty {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
