// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import MedRuntime

@Suite struct WorkLedgerRandomTests {
    final class CountingWork: Work {
        let workID = WorkID()
        let workName = "work"
        let cancellations = Atomic<Int>(0)

        func cancelWork() { self.cancellations.add(1, ordering: .relaxed) }
    }

    /// What a ledger must be like, said in another way.
    struct Expectation: Equatable {
        var inFlight: Set<Int> = []
        var isGateOpen = true
        var isCancelled = false
        var idleCalls = 0
        var cancellations: [Int]

        init(works: Int) { self.cancellations = Array(repeating: 0, count: works) }
    }

    @Test(arguments: 0..<8)
    func `in half a million random orders, a ledger does what is expected of it`(_: Int) {
        let workCount = 5
        for _ in 0..<1_600 {
            let ledger = WorkLedger()
            let works = (0..<workCount).map { _ in CountingWork() }
            let idleCalls = Atomic<Int>(0)
            var expected = Expectation(works: workCount)
            for _ in 0..<40 {
                let bits = Int.random(in: 0..<1 << 16)
                let number = (bits >> 8) % workCount
                let work = works[number]
                switch bits & 15 {
                case 0...3:
                    if ledger.admit(work) != expected.isGateOpen { Issue.record("the gate is wrong about \(expected)") }
                    if expected.isGateOpen { expected.inFlight.insert(number) }
                case 4...6:
                    ledger.begin(work)
                    expected.inFlight.insert(number)
                    if expected.isCancelled { expected.cancellations[number] += 1 }
                case 7...13:
                    // Often of work that has ended already.
                    ledger.end(work)
                    let wasInFlight = expected.inFlight.remove(number) != nil
                    if wasInFlight, expected.inFlight.isEmpty, !expected.isGateOpen { expected.idleCalls += 1 }
                case 14:
                    if ledger.cancelAll() != expected.inFlight.count {
                        Issue.record("cancelled other than \(expected)")
                    }
                    expected.isCancelled = true
                    for number in expected.inFlight { expected.cancellations[number] += 1 }
                default:
                    guard expected.isGateOpen else { continue }
                    ledger.closeGate { idleCalls.add(1, ordering: .relaxed) }
                    expected.isGateOpen = false
                    if expected.inFlight.isEmpty { expected.idleCalls += 1 }
                }
                if ledger.count != expected.inFlight.count || idleCalls.load(ordering: .relaxed) != expected.idleCalls {
                    Issue.record("\(ledger.count) in flight, expected \(expected)")
                }
            }
            if works.map({ $0.cancellations.load(ordering: .relaxed) }) != expected.cancellations {
                Issue.record("cancelled other than \(expected)")
            }
        }
    }

    /// Threads that admit, nest and end, while another closes the gate in between.
    final class Contest: Sendable {
        let ledger = WorkLedger()
        /// Work that is surely in flight: counted after it was taken, and until before it ends.
        let surelyInFlight = Atomic<Int>(0)
        let idleCalls = Atomic<Int>(0)
        let wrongIdleCalls = Atomic<Int>(0)
        let admittedBehindGate = Atomic<Int>(0)
        let isGateSurelyClosed = Atomic<Bool>(false)

        func work(times: Int) {
            for _ in 0..<times {
                let request = NamedWork(name: "request")
                let isClosed = self.isGateSurelyClosed.load(ordering: .acquiring)
                guard self.ledger.admit(request) else { continue }
                if isClosed { self.admittedBehindGate.add(1, ordering: .relaxed) }
                self.surelyInFlight.add(1, ordering: .acquiringAndReleasing)
                let transaction = NamedWork(name: "transaction")
                self.ledger.begin(transaction)
                if Bool.random() {
                    self.ledger.end(transaction)
                    self.surelyInFlight.subtract(1, ordering: .acquiringAndReleasing)
                    self.ledger.end(request)
                } else {
                    // What a request has left running is waited for as well.
                    self.ledger.end(request)
                    self.surelyInFlight.subtract(1, ordering: .acquiringAndReleasing)
                    self.ledger.end(transaction)
                }
                self.ledger.end(request)
            }
        }

        func closeGate() {
            self.ledger.closeGate {
                self.idleCalls.add(1, ordering: .relaxed)
                let isWrong = self.surelyInFlight.load(ordering: .acquiring) != 0 || self.ledger.count != 0
                if isWrong { self.wrongIdleCalls.add(1, ordering: .relaxed) }
            }
            self.isGateSurelyClosed.store(true, ordering: .releasing)
        }
    }

    @Test
    func `of many threads at once, idle is told exactly once: when the gate is closed and the last work has ended`()
        async
    {
        for _ in 0..<4_000 {
            let contest = Contest()
            let pause = Int.random(in: 0..<60)
            await withTaskGroup(of: Void.self) { tasks in
                for _ in 0..<3 { tasks.addTask { contest.work(times: 12) } }
                tasks.addTask {
                    for _ in 0..<pause { _ = contest.ledger.count }
                    contest.closeGate()
                }
            }
            let calls = contest.idleCalls.load(ordering: .relaxed)
            if calls != 1 { Issue.record("idle was told \(calls) times") }
            if contest.wrongIdleCalls.load(ordering: .relaxed) != 0 {
                Issue.record("idle was told with work in flight")
            }
            if contest.admittedBehindGate.load(ordering: .relaxed) != 0 { Issue.record("admitted behind the gate") }
        }
    }
}
