// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import MedRuntime

@Suite struct ClockTests {
    /// Two clocks that a test moves, from 2026 on.
    private final class Clocks: Sendable {
        private let reading = Mutex(ClockWatch.Reading(wall: .seconds(1_767_225_600), steady: .seconds(1000)))

        func pass(_ time: Duration, wall: Duration? = nil) {
            self.reading.withLock {
                $0.wall += wall ?? time
                $0.steady += time
            }
        }

        var check: HealthCheck {
            .clock { self.reading.withLock { $0 } }
        }
    }

    private func jump(_ report: HealthReport) -> HealthReport.Value? {
        report.details.first { $0.name == "jump" }?.value
    }

    @Test func `clocks that go on alike are fine, however long nobody looks`() async throws {
        let clocks = Clocks()
        let check = clocks.check
        #expect(check.initial.status == .healthy)
        for time in [Duration.seconds(10), .seconds(86_400), .zero, .milliseconds(1)] {
            clocks.pass(time)
            let report = try await check.run()
            #expect(report == HealthReport(status: .healthy, details: [("jump", .integer(0))]))
        }
    }

    @Test(arguments: [(5000, 0), (5001, 5), (5500, 6), (-5000, 0), (-5001, -5), (-5500, -6), (3_600_000, 3600)])
    func `more than five seconds is a jump, in whole seconds with its sign`(milliseconds: Int, seconds: Int)
        async throws
    {
        let clocks = Clocks()
        let check = clocks.check
        clocks.pass(.seconds(10), wall: .seconds(10) + .milliseconds(milliseconds))
        let report = try await check.run()
        #expect(report.status == (seconds == 0 ? .healthy : .degraded))
        #expect(self.jump(report) == .integer(seconds))
    }

    @Test func `a slow clock that is set little by little has no jump`() async throws {
        let clocks = Clocks()
        let check = clocks.check
        for _ in 0..<1000 {
            // 500 ppm, even if the clocks did not slew alike.
            clocks.pass(.seconds(10), wall: .seconds(10) + .milliseconds(5))
            #expect(try await check.run().status == .healthy)
        }
    }

    @Test func `a jump is shown for ten minutes of the clock that nobody sets`() async throws {
        let clocks = Clocks()
        let check = clocks.check
        clocks.pass(.seconds(10), wall: .seconds(-3590))
        let report = try await check.run()
        #expect(report.reason?.contains("set back by 3600 s") == true)
        #expect(report.summary == "The clock was set back in the last ten minutes.")
        clocks.pass(.seconds(599))
        #expect(self.jump(try await check.run()) == .integer(-3600))
        clocks.pass(.seconds(1))
        #expect(try await check.run() == HealthReport(status: .healthy, details: [("jump", .integer(0))]))
    }

    @Test func `of two jumps the later one is shown`() async throws {
        let clocks = Clocks()
        let check = clocks.check
        clocks.pass(.seconds(10), wall: .seconds(110))
        _ = try await check.run()
        clocks.pass(.seconds(500), wall: .seconds(400))
        #expect(self.jump(try await check.run()) == .integer(-100))
        clocks.pass(.seconds(599))
        #expect(self.jump(try await check.run()) == .integer(-100))
    }

    @Test func `a clock before 2025 is degraded until it is set, and then for the jump`() async throws {
        let clocks = Clocks()
        clocks.pass(.zero, wall: .seconds(-1_767_225_600))
        let check = clocks.check
        #expect(check.initial.status == .degraded)
        #expect(check.initial.summary == "The clock shows a time before 2025.")
        clocks.pass(.seconds(10), wall: .seconds(1_767_225_610))
        let report = try await check.run()
        #expect(report.status == .degraded)
        #expect(report.reason?.contains("set forward by 1767225600 s") == true)
    }

    @Test func `this machine's clocks are read at one moment`() async throws {
        let check = HealthCheck.clock()
        for _ in 0..<100 { #expect(try await check.run().status == .healthy) }
        #expect(ClockReader.read().wall > ClockWatch.build)
        #expect(ClockReader.read().steady > .zero)
    }

    @Test func `all three are ignored by the readiness probe and are checks of the system`() {
        for check in [HealthCheck.clock(), .fileDescriptors(), .diskSpace(of: ["/"])] {
            #expect(check.readiness == .ignored)
            #expect(check.componentType == "system")
            #expect(check.initial.details.contains { $0.name == check.observes.detail })
            #expect(check.unanswered.status == .degraded)
            #expect(check.unanswered.reason != nil && check.unanswered.summary != nil)
        }
        #expect(HealthCheck.diskSpace(of: []).observes.measurement == "utilization")
        #expect(HealthCheck.fileDescriptors().observes.unit == "percent")
    }
}
