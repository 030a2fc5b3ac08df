// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import MedServer

struct BodyPaceTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private var pace: BodyPace { BodyPace(timeout: .seconds(30), now: self.start) }

    @Test func `a client that sends nothing has one timeout`() {
        #expect(self.pace.deadline == self.start + .seconds(30))
    }

    @Test func `a pause may be as long as the timeout, and no longer`() {
        var pace = self.pace
        pace.receive(1_000_000, now: self.start + .seconds(20))
        #expect(pace.deadline == self.start + .seconds(50))
    }

    @Test func `a byte now and then does not hold a connection`() {
        var pace = self.pace
        var now = self.start
        while let deadline = pace.deadline, now < deadline {
            now = now + .seconds(10)
            pace.receive(1, now: now)
        }
        #expect(now <= self.start + .seconds(40))
    }

    @Test func `a slow client that keeps the slowest rate is served for hours`() {
        var pace = self.pace
        var now = self.start
        for _ in 0..<3600 {
            now = now + .seconds(1)
            pace.receive(BodyPace.slowestRate, now: now)
            #expect(pace.deadline.map { now < $0 } == true)
        }
    }

    @Test func `time in which the server does not read does not count`() {
        var pace = self.pace
        pace.receive(240, now: self.start + .seconds(1))
        pace.hold(now: self.start + .seconds(1))
        #expect(pace.deadline == nil)
        // Holding twice begins once.
        pace.hold(now: self.start + .seconds(50))
        pace.resume(now: self.start + .seconds(101))
        #expect(pace.deadline == self.start + .seconds(131))
    }

    @Test func `a great deal that came at once is no credit for ever`() {
        var pace = self.pace
        pace.receive(.max / 2, now: self.start)
        #expect(pace.deadline == self.start + .seconds(30))
    }
}
