// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct DoorbellTests {
    private let clock = TestClock()

    @Test func `a ring before the wait is not lost, and counts once`() async {
        let bell = Doorbell()
        bell.ring()
        bell.ring()
        await bell.wait(upTo: TestClock.never, self.clock.clock)
        await bell.wait(upTo: .seconds(1), self.clock.clock)
        #expect(self.clock.pauses == [.seconds(1)])
    }

    @Test func `a ring wakes who waits`() async {
        let bell = Doorbell()
        async let wait: Void = bell.wait(upTo: TestClock.never, self.clock.clock)
        await Task.yield()
        bell.ring()
        await wait
    }

    @Test func `a wait ends when its task is cancelled`() async {
        let bell = Doorbell()
        let clock = self.clock.clock
        for _ in 0..<200 {
            let task = Task { await bell.wait(upTo: TestClock.never, clock) }
            task.cancel()
            await task.value
        }
    }
}
