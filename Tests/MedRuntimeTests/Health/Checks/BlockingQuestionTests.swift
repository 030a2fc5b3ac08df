// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct BlockingQuestionTests {
    @Test func `it is answered on a thread of its own, again and again`() async {
        let count = Mutex(0)
        let question = BlockingQuestion(threadName: "test-question") {
            count.withLock { count in
                count += 1
                return count
            }
        }
        #expect(await question.ask() == 1)
        #expect(await question.ask() == 2)
    }

    @Test func `while one is open, nobody else gets to ask, and nobody waits`() async {
        let asked = Mutex(0)
        let started = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        let question = BlockingQuestion(threadName: "test-question") {
            asked.withLock { $0 += 1 }
            started.signal()
            gate.wait()
            return "late"
        }
        let first = Task { await question.ask() }
        await onThread { started.wait() }
        for _ in 0..<100 { #expect(await question.ask() == nil) }
        #expect(asked.withLock { $0 } == 1)

        gate.signal()
        #expect(await first.value == "late")
        gate.signal()
        #expect(await question.ask() == "late")
    }

    @Test func `who is cancelled leaves, and the thread is still the only one`() async {
        let started = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        let question = BlockingQuestion(threadName: "test-question") {
            started.signal()
            gate.wait()
            return true
        }
        let first = Task { await question.ask() }
        await onThread { started.wait() }
        first.cancel()
        #expect(await first.value == nil)
        #expect(await question.ask() == nil)

        gate.signal()
        // The second answer is to be had as soon as the thread is done with the first.
        gate.signal()
        var answer: Bool?
        while answer == nil {
            answer = await question.ask()
            await Task.yield()
        }
        #expect(answer == true)
    }

    /// Waits without a thread of the pool.
    private func onThread(_ wait: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            OwnThread.start("test-wait") {
                wait()
                continuation.resume()
            }
        }
    }
}
