// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What kubelet is told of a container, and what it adds of its own.
struct ContainerPlan: Sendable, Equatable {
    /// In the order in which kubelet asks at a moment when several are due.
    enum ProbeKind: String, CaseIterable, Sendable {
        case startup
        case liveness
        case readiness
    }

    struct Probe: Sendable, Equatable {
        var path: String
        /// The name of the port.
        var port: String
        var initialDelay = Duration.zero
        var period: Duration
        var timeout: Duration
        var successThreshold = 1
        var failureThreshold: Int
    }

    var probes: [ProbeKind: Probe]
    var preStop: Duration
    /// `terminationGracePeriodSeconds`, which runs from before preStop.
    var gracePeriod: Duration
    /// How long kubelet waits after the second end of a container; it doubles from then on.
    var backOff = Duration.seconds(10)
    var longestBackOff = Duration.seconds(300)
    /// How long there is after SIGTERM, however long preStop took.
    var leastGrace = Duration.seconds(2)

    /// The same with every duration divided.
    func divided(by factor: Int) -> Self {
        var plan = self
        plan.probes = self.probes.mapValues { probe in
            var probe = probe
            probe.initialDelay /= factor
            probe.period /= factor
            probe.timeout /= factor
            return probe
        }
        plan.preStop /= factor
        plan.gracePeriod /= factor
        plan.backOff /= factor
        plan.longestBackOff /= factor
        plan.leastGrace /= factor
        return plan
    }
}

/// What kubelet does with a container, as a value; ``SimulatedPod`` performs the returned actions.
///
///     waiting ──due──▶ running ──a probe gives up, or deleted──▶ preStop ──slept──▶ terminating ──grace over──▶ killing
///        ▲                │                                         │                   │                         │
///        └──────exit──────┴─────────────────────────────────────────┴───────────────────┴─────────────────────────┘
///                              (gone instead, once the pod was deleted)
///
/// The rules are those of the Kubernetes documentation and of kubelet's own behaviour:
///
/// - A probe's clock begins with the pod and goes on over restarts. A look before the initial delay of the container is left out, and so
///   is every look of the other two before the startup probe has succeeded, and of that one afterwards.
/// - An outcome counts when it came as often in a row as its threshold says. Liveness begins as good, readiness as bad.
/// - The container that startup or liveness has given up is not asked again; readiness goes on until the exit.
/// - The first restart is at once. Each further one waits after the exit: 10 s, 20 s, and so on up to 5 minutes; it is forgotten when a
///   container has run for twice the longest of these.
struct Kubelet: Sendable {
    /// What is to be done now.
    enum Action: Equatable, Sendable {
        case start
        case probe(ContainerPlan.ProbeKind)
        /// SIGTERM.
        case terminate
        /// SIGKILL.
        case kill
    }

    /// What happened.
    enum Event: Equatable, Sendable {
        case started
        case failed(ContainerPlan.ProbeKind)
        case succeeded(ContainerPlan.ProbeKind)
        case ready
        case unready
        case givenUp(ContainerPlan.ProbeKind)
        case deleted
        case terminated
        case killed
        case exited
    }

    private enum Phase: Equatable {
        case waiting(until: Duration)
        case running
        case preStop(until: Duration, killAt: Duration)
        case terminating(killAt: Duration)
        case killing
        case gone
    }

    /// The clock of a probe and its last outcomes.
    private struct Worker {
        var next = Duration.zero
        var isAsking = false
        var last: Bool?
        var streak = 0
    }

    let plan: ContainerPlan
    /// Everything that happened, in order.
    private(set) var events: [(at: Duration, event: Event)] = []
    /// Which container of the pod this is, from 1 on.
    private(set) var number = 0
    /// Whether the pod gets requests.
    private(set) var isReady = false

    private var phase = Phase.waiting(until: .zero)
    private var startedAt = Duration.zero
    private var hasStarted = false
    private var isDeleted = false
    private var exitedAt: Duration?
    private var pause: (length: Duration, since: Duration)?
    private var workers: [ContainerPlan.ProbeKind: Worker]

    init(plan: ContainerPlan) {
        self.plan = plan
        self.workers = plan.probes.mapValues { _ in Worker() }
    }

    var isGone: Bool { self.phase == .gone }
    var restarts: Int { max(0, self.number - 1) }

    /// Looks at the clock.
    mutating func advance(to now: Duration) -> [Action] {
        var actions: [Action] = []
        switch self.phase {
        case .waiting(let due) where now >= due:
            self.begin(now)
            actions.append(.start)
        case .preStop(let due, let killAt) where now >= due:
            self.phase = .terminating(killAt: max(killAt, now + self.plan.leastGrace))
            self.note(.terminated, now)
            actions.append(.terminate)
        case .terminating(let killAt) where now >= killAt:
            self.phase = .killing
            self.note(.killed, now)
            actions.append(.kill)
        default: break
        }
        for kind in ContainerPlan.ProbeKind.allCases where self.isDue(kind, now) { actions.append(.probe(kind)) }
        return actions
    }

    /// A probe of container `number` has been answered, or not in time.
    mutating func answered(_ kind: ContainerPlan.ProbeKind, of number: Int, success: Bool, at now: Duration) {
        self.workers[kind]?.isAsking = false
        // One that is over by now says nothing about the next.
        guard number == self.number, let probe = self.plan.probes[kind], self.isAsked(kind) else { return }
        self.note(success ? .succeeded(kind) : .failed(kind), now)
        let streak = self.workers[kind]?.last == success ? (self.workers[kind]?.streak ?? 0) + 1 : 1
        self.workers[kind]?.last = success
        self.workers[kind]?.streak = streak
        guard streak >= (success ? probe.successThreshold : probe.failureThreshold) else { return }
        switch kind {
        case .startup where success: self.hasStarted = true
        case .readiness: self.setReady(success, now)
        case .startup, .liveness:
            if !success { self.giveUp(because: .givenUp(kind), now) }
        }
    }

    /// The process has ended, for whatever reason.
    mutating func exited(at now: Duration) {
        self.note(.exited, now)
        self.setReady(false, now)
        self.exitedAt = now
        self.phase = self.isDeleted ? .gone : .waiting(until: now + (self.pauseInForce(at: now) ?? .zero))
    }

    /// Somebody deletes the pod, as a rolling update does.
    mutating func delete(at now: Duration) {
        self.isDeleted = true
        switch self.phase {
        case .waiting: self.phase = .gone
        case .running: self.giveUp(because: .deleted, now)
        case .preStop, .terminating, .killing, .gone: break
        }
    }

    private mutating func begin(_ now: Duration) {
        if let exitedAt {
            let last = self.pauseInForce(at: exitedAt)
            self.pause = (last.map { min($0 * 2, self.plan.longestBackOff) } ?? self.plan.backOff, now)
        }
        self.number += 1
        self.phase = .running
        self.startedAt = now
        self.hasStarted = self.plan.probes[.startup] == nil
        for kind in self.workers.keys {
            self.workers[kind]?.last = nil
            self.workers[kind]?.streak = 0
            self.workers[kind]?.isAsking = false
        }
        self.note(.started, now)
    }

    private func pauseInForce(at now: Duration) -> Duration? {
        guard let pause, now - pause.since <= self.plan.longestBackOff * 2 else { return nil }
        return pause.length
    }

    private mutating func giveUp(because event: Event, _ now: Duration) {
        self.phase = .preStop(until: now + self.plan.preStop, killAt: now + self.plan.gracePeriod)
        self.note(event, now)
    }

    private mutating func isDue(_ kind: ContainerPlan.ProbeKind, _ now: Duration) -> Bool {
        guard let probe = self.plan.probes[kind], var worker = self.workers[kind], worker.next <= now else {
            return false
        }
        while worker.next <= now { worker.next += probe.period }
        let asks = !worker.isAsking && self.isAsked(kind) && now - self.startedAt >= probe.initialDelay
        worker.isAsking = worker.isAsking || asks
        self.workers[kind] = worker
        return asks
    }

    /// Whether the outcome of a probe means anything at present.
    private func isAsked(_ kind: ContainerPlan.ProbeKind) -> Bool {
        switch (self.phase, kind) {
        case (.running, .startup): !self.hasStarted
        case (.running, _): self.hasStarted
        case (.preStop, .readiness), (.terminating, .readiness): self.hasStarted
        default: false
        }
    }

    private mutating func setReady(_ isReady: Bool, _ now: Duration) {
        guard isReady != self.isReady else { return }
        self.isReady = isReady
        self.note(isReady ? .ready : .unready, now)
    }

    private mutating func note(_ event: Event, _ now: Duration) { self.events.append((now, event)) }
}
