// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

/// The simulated kubelet by itself, on a clock of the test's own, in whole seconds.
@Suite struct KubeletTests {
    /// The numbers of the Deployment.
    private static let plan = ContainerPlan(
        probes: [
            .startup: .init(
                path: "/live", port: "http", period: .seconds(5), timeout: .seconds(3), failureThreshold: 12),
            .liveness: .init(
                path: "/live", port: "http", initialDelay: .seconds(30), period: .seconds(10), timeout: .seconds(3),
                failureThreshold: 3),
            .readiness: .init(
                path: "/ready", port: "http", initialDelay: .seconds(10), period: .seconds(5), timeout: .seconds(3),
                failureThreshold: 3),
        ],
        preStop: .seconds(5),
        gracePeriod: .seconds(35)
    )

    /// A container whose probes fail and whose process ends when the test says.
    private struct Run {
        var kubelet = Kubelet(plan: KubeletTests.plan)
        /// Whether a probe at a moment succeeds.
        var answers: (ContainerPlan.ProbeKind, Int) -> Bool = { _, _ in true }
        /// When the process ends, by the seconds after its start; `nil` for never.
        var lives: (_ number: Int) -> Int? = { _ in nil }
        /// How long it goes on after SIGTERM; `nil` for ever.
        var drains: Int? = 0

        /// Lets the time pass; gives what happened, with the whole seconds.
        mutating func events(until end: Int) -> [String] {
            var started = 0
            var ends: Int?
            for second in 0...end {
                let now = Duration.seconds(second)
                if let moment = ends, moment <= second {
                    ends = nil
                    self.kubelet.exited(at: now)
                }
                for action in self.kubelet.advance(to: now) {
                    switch action {
                    case .start:
                        started = second
                        ends = self.lives(self.kubelet.number).map { started + $0 }
                    case .probe(let kind):
                        self.kubelet.answered(
                            kind, of: self.kubelet.number, success: self.answers(kind, second), at: now)
                    case .terminate: ends = self.drains.map { second + max(1, $0) } ?? ends
                    case .kill: ends = second + 1
                    }
                }
            }
            return self.kubelet.events.map { "\(Int($0.at / .seconds(1))) \($0.event)" }
        }

        /// The same without the single probes.
        mutating func outline(until end: Int) -> [String] {
            self.events(until: end).filter { !$0.contains("succeeded") && !$0.contains("failed") }
        }
    }

    @Test func `what is well is started and asked in time, and left alone`() {
        var run = Run()
        #expect(
            run.events(until: 40) == [
                "0 started", "0 succeeded(\(Self.kind(.startup)))",
                "10 succeeded(\(Self.kind(.readiness)))", "10 ready", "15 succeeded(\(Self.kind(.readiness)))",
                "20 succeeded(\(Self.kind(.readiness)))", "25 succeeded(\(Self.kind(.readiness)))",
                "30 succeeded(\(Self.kind(.liveness)))", "30 succeeded(\(Self.kind(.readiness)))",
                "35 succeeded(\(Self.kind(.readiness)))", "40 succeeded(\(Self.kind(.liveness)))",
                "40 succeeded(\(Self.kind(.readiness)))",
            ])
    }

    @Test(arguments: [(50, true), (55, true), (56, false)])
    func `a port has 55 seconds to open`(second: Int, isInTime: Bool) {
        var run = Run()
        run.answers = { _, now in now >= second }
        let outline = run.outline(until: 62)
        #expect(outline.contains("55 givenUp(\(Self.kind(.startup)))") != isInTime, "\(outline)")
        #expect(run.kubelet.isReady == isInTime)
    }

    @Test func `three failures of liveness stop it, and it is back at once`() {
        var run = Run()
        run.answers = { kind, now in kind != .liveness || now < 31 || now > 60 }
        run.drains = 28
        #expect(
            run.outline(until: 110) == [
                "0 started", "10 ready", "60 givenUp(\(Self.kind(.liveness)))", "65 terminated", "93 exited",
                "93 unready", "93 started", "105 ready",
            ])
    }

    @Test func `two failures of liveness are nothing`() {
        var run = Run()
        run.answers = { kind, now in kind != .liveness || now % 30 == 0 }
        #expect(run.outline(until: 600) == ["0 started", "10 ready"])
    }

    @Test func `who does not go is killed when the grace period is over`() {
        var run = Run()
        run.answers = { kind, now in kind != .liveness || now > 50 }
        run.drains = nil
        #expect(
            run.outline(until: 90) == [
                "0 started", "10 ready", "50 givenUp(\(Self.kind(.liveness)))", "55 terminated", "85 killed",
                "86 exited", "86 unready", "86 started",
            ])
    }

    @Test func `readiness comes and goes, and restarts nothing`() {
        var run = Run()
        run.answers = { kind, now in kind != .readiness || now < 100 || now > 400 }
        #expect(run.outline(until: 500) == ["0 started", "10 ready", "110 unready", "405 ready"])
    }

    @Test func `restarts wait longer and longer, and are forgotten after ten good minutes`() {
        var run = Run()
        run.lives = { number in number < 8 ? 1 : number == 8 ? 700 : nil }
        let starts = run.outline(until: 2500).filter { $0.hasSuffix("started") }
        // 1 s of life each; then no pause, 10, 20, 40, 80, 160 and 300 s.
        #expect(
            starts.prefix(8) == [
                "0 started", "1 started", "12 started", "33 started", "74 started", "155 started", "316 started",
                "617 started",
            ])
        #expect(Array(starts.dropFirst(8)) == ["1317 started"])
    }

    @Test func `a preStop of more than the grace period leaves two seconds`() {
        var plan = Self.plan
        plan.preStop = .seconds(40)
        var run = Run(kubelet: Kubelet(plan: plan))
        run.drains = nil
        _ = run.events(until: 20)
        run.kubelet.delete(at: .seconds(20))
        var actions: [String] = []
        for second in 21...65 {
            for action in run.kubelet.advance(to: .seconds(second)) where action == .terminate || action == .kill {
                actions.append("\(second) \(action)")
            }
        }
        #expect(actions == ["60 terminate", "62 kill"])
    }

    @Test func `who was deleted is not started again`() {
        var run = Run()
        _ = run.events(until: 20)
        run.kubelet.delete(at: .seconds(20))
        #expect(run.kubelet.advance(to: .seconds(25)).contains(.terminate))
        run.kubelet.exited(at: .seconds(26))
        #expect(run.kubelet.isGone)
        #expect(run.kubelet.advance(to: .seconds(100)) == [])
    }

    @Test func `an answer that comes after the end of its container says nothing about the next one`() {
        var kubelet = Kubelet(plan: Self.plan)
        #expect(kubelet.advance(to: .zero) == [.start, .probe(.startup)])
        kubelet.exited(at: .seconds(1))
        #expect(kubelet.advance(to: .seconds(1)) == [.start])
        kubelet.answered(.startup, of: 1, success: true, at: .seconds(2))
        // Had it counted, nobody would ask any more.
        #expect(kubelet.advance(to: .seconds(5)) == [.probe(.startup)])
    }

    @Test func `a probe that takes long is not asked twice at a time`() {
        var kubelet = Kubelet(plan: Self.plan)
        #expect(kubelet.advance(to: .zero) == [.start, .probe(.startup)])
        #expect(kubelet.advance(to: .seconds(5)) == [])
        kubelet.answered(.startup, of: 1, success: false, at: .seconds(6))
        #expect(kubelet.advance(to: .seconds(9)) == [])
        #expect(kubelet.advance(to: .seconds(10)) == [.probe(.startup)])
    }

    private static func kind(_ kind: ContainerPlan.ProbeKind) -> String { "\(String(reflecting: kind))" }
}
