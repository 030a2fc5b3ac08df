// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A question that may block for ever, as the kernel does about a dead NFS mount. It is asked on a thread of its own, never
/// on the task pool.
///
/// There is one thread at most: while an answer is due, nobody else gets to ask.
final class BlockingQuestion<Answer: Sendable>: Sendable {
    private let threadName: String
    private let answer: @Sendable () -> Answer
    private let isOpen = Atomic(false)

    /// - Parameter threadName: 15 bytes at most.
    init(threadName: String, answer: @escaping @Sendable () -> Answer) {
        self.threadName = threadName
        self.answer = answer
    }

    /// The answer; `nil` if an earlier question is still open, or if the task is cancelled before there is an answer.
    func ask() async -> Answer? {
        guard !Task.isCancelled else { return nil }
        guard self.isOpen.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
        else { return nil }
        let first = FirstAnswer<Answer?>()
        OwnThread.start(self.threadName, containsTraps: true) {
            let answer = self.answer()
            // First, so that whoever has the answer can ask again.
            self.isOpen.store(false, ordering: .releasing)
            first.give(answer)
        }
        return await withTaskCancellationHandler {
            await first.value
        } onCancel: {
            first.give(nil)
        }
    }
}
