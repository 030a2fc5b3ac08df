// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
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

    @Test func `what is taken is not there any more, and nothing is lost`() {
        let words = StripedWords(width: 1)
        words.add(7 as UInt64, at: 0)
        words.grow()
        words.add(5 as UInt64, at: 0)
        #expect(words.take(at: 0) == 12 && words.sum(at: 0) == 0)
        words.add(1 as UInt64, at: 0)
        #expect(words.sum(at: 0) == 1)
    }
}
