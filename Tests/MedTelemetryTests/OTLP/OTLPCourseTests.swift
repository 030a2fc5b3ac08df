// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct OTLPCourseTests {
    private var counters = OTLPCounters()
    private var course = OTLPCourse()

    private mutating func next(_ seconds: Int, _ change: (inout OTLPCounters) -> Void = { _ in }) -> OTLPCourse.News? {
        change(&self.counters)
        return self.course.next(self.counters, now: .seconds(seconds))
    }

    @Test mutating func `what is refused is told at once, then once a minute, and its end`() {
        #expect(self.next(5) == nil)
        #expect(self.next(10) { $0.exportedBatches += 1 } == nil)
        #expect(
            self.next(15) {
                $0.failedBatches += 1
                $0.lastFailure = .status(403)
                $0.drop(7, because: .status(403))
            } == .failing([.status(403)], lost: 7))
        #expect(self.next(20) { $0.drop(1, because: .status(403)) } == nil)
        #expect(self.next(74) { $0.drop(1, because: .status(403)) } == nil)
        #expect(self.next(75) { $0.drop(1, because: .status(403)) } == .failing([.status(403)], lost: 3))
        // Quiet is not yet well.
        #expect(self.next(80) == nil)
        #expect(self.next(85) { $0.exportedBatches += 1 } == .recovered)
        #expect(self.next(90) { $0.exportedBatches += 1 } == nil)
    }

    @Test mutating func `what is tried again in vain is told, and what is taken in the end is not`() {
        #expect(
            self.next(5) {
                $0.retries += 1
                $0.exportedBatches += 1
                $0.lastFailure = .status(503)
            } == nil)
        #expect(
            self.next(10) {
                $0.retries += 1
                $0.lastFailure = .timeout
            } == .failing([.timeout], lost: 0))
    }

    @Test mutating func `what finds no room is told without a failure of the collector`() {
        #expect(self.next(5) { $0.drop(1, because: .queueFull) } == .failing([.queueFull], lost: 1))
    }

    @Test mutating func `what is lost with the end is told, however short ago something was`() {
        #expect(self.next(5) { $0.drop(1, because: .queueFull) } == .failing([.queueFull], lost: 1))
        #expect(self.next(6) { $0.drop(2, because: .queueFull) } == nil)
        self.counters.drop(4, because: .shutDown)
        #expect(
            self.course.next(self.counters, now: .seconds(7), isLast: true)
                == .failing([.shutDown, .queueFull], lost: 6))
        #expect(self.course.next(self.counters, now: .seconds(7), isLast: true) == nil)
    }

    @Test mutating func `the reason of a loss is told even if the last request failed for another one`() {
        #expect(
            self.next(5) {
                $0.failedBatches += 1
                $0.lastFailure = .status(413)
                $0.drop(3, because: .status(413))
                $0.retries += 1
                $0.lastFailure = .connectionFailed
            } == .failing([.status(413), .connectionFailed], lost: 3))
    }
}
