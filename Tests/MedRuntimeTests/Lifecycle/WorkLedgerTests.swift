// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import MedRuntime

@Suite struct WorkLedgerTests {
    @Test func `nothing is admitted once the gate is closed`() {
        let ledger = WorkLedger()
        #expect(ledger.admit(NamedWork(name: "request")))
        ledger.closeGate {}
        #expect(!ledger.admit(NamedWork(name: "request")))
        #expect(ledger.count == 1)
    }

    @Test func `what belongs to admitted work is taken behind the closed gate`() {
        let ledger = WorkLedger()
        ledger.closeGate {}
        ledger.begin(NamedWork(name: "transaction"))
        #expect(ledger.count == 1)
    }

    @Test func `idle is told once the last work ends, and not before`() {
        let ledger = WorkLedger()
        let idle = Atomic<Int>(0)
        let first = NamedWork(name: "first")
        let second = NamedWork(name: "second")
        #expect(ledger.admit(first))
        #expect(ledger.admit(second))
        ledger.closeGate { idle.add(1, ordering: .relaxed) }
        ledger.end(first)
        ledger.end(first)
        #expect(idle.load(ordering: .relaxed) == 0)
        ledger.end(second)
        #expect(idle.load(ordering: .relaxed) == 1)
    }

    @Test func `idle is told at once when nothing is in flight`() {
        let idle = Atomic<Int>(0)
        WorkLedger().closeGate { idle.add(1, ordering: .relaxed) }
        #expect(idle.load(ordering: .relaxed) == 1)
    }

    @Test func `work that begins after the cancellation is cancelled too`() {
        let ledger = WorkLedger()
        let cancelled = Atomic<Int>(0)
        let early = NamedWork(name: "early")
        early.onCancel { cancelled.add(1, ordering: .relaxed) }
        ledger.begin(early)
        #expect(ledger.cancelAll() == 1)
        let late = NamedWork(name: "late")
        ledger.begin(late)
        late.onCancel { cancelled.add(1, ordering: .relaxed) }
        #expect(cancelled.load(ordering: .relaxed) == 2)
    }

    @Test func `the summary counts by name, most first, and says how many kinds it leaves out`() {
        let ledger = WorkLedger()
        for name in ["a", "b", "b", "c", "b", "c"] { ledger.begin(NamedWork(name: name)) }
        #expect(ledger.summary() == "b ×3, c ×2, a ×1")
        #expect(ledger.summary(limit: 1) == "b ×3, and 2 more kinds")
        #expect(WorkLedger().summary() == "")
    }
}
