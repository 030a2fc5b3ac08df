// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Wakes one task that waits. A ring while nobody waits is not lost: the next wait returns at once.
final class Doorbell: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func ring() {
        let waiter = self.state.withLock { state in
            guard let waiter = state.waiter.take() else {
                state.isRung = true
                return CheckedContinuation<Void, Never>?.none
            }
            return waiter
        }
        waiter?.resume()
    }

    /// Waits for a ring, for as long as this, or until the task is cancelled.
    func wait(upTo limit: Duration, _ clock: TelemetryClock) async {
        await withTaskGroup { group in
            group.addTask { try? await clock.sleep(limit) }
            group.addTask { await self.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiter.take() }?.resume()
        }
    }
}
