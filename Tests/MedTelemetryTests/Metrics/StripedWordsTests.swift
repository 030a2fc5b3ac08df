// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Testing

@testable import MedTelemetry

@Suite struct StripedWordsTests {
    @Test(arguments: [false, true])
    func `threads lose nothing, whenever the rows are made`(isGrownBefore: Bool) {
        let words = StripedWords(width: 20)
        if isGrownBefore { words.grow() }
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for number in 0..<20_000 {
                words.add(3 as UInt64, at: 0)
                words.add(0.5, at: 19)
                if thread == 0, number == 10_000 { words.grow() }
            }
        }
        #expect(words.sum(at: 0) == 8 * 20_000 * 3)
        #expect(words.doubleSum(at: 19) == 8 * 20_000 * 0.5)
        #expect((1..<19).allSatisfy { words.sum(at: $0) == 0 })
    }

    @Test func `the first thread, others before the rows, and others after them are all in the sum`() {
        let words = StripedWords(width: 2)
        words.add(1 as UInt64, at: 0)
        words.add(0.5, at: 1)
        self.onAnotherThread {
            words.add(10 as UInt64, at: 0)
            words.add(0.25, at: 1)
        }
        #expect(words.sum(at: 0) == 11 && words.doubleSum(at: 1) == 0.75)
        words.grow()
        words.add(100 as UInt64, at: 0)
        self.onAnotherThread { words.add(1000 as UInt64, at: 0) }
        #expect(words.sum(at: 0) == 1111 && words.doubleSum(at: 1) == 0.75)
    }

    @Test func `threads that come and go lose nothing`() {
        let words = StripedWords(width: 1)
        for _ in 0..<200 {
            self.onAnotherThread { for _ in 0..<100 { words.add(1 as UInt64, at: 0) } }
        }
        #expect(words.sum(at: 0) == 20_000)
    }

    private func onAnotherThread(_ body: @escaping @Sendable () -> Void) {
        let done = DispatchSemaphore(value: 0)
        Thread {
            body()
            done.signal()
        }.start()
        done.wait()
    }
}
