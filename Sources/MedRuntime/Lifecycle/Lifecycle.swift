// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Dispatch
import Glibc
public import Logging
import Synchronization

/// The life of a process from start-up to exit: one phase that everything reads, and one shutdown that loses nothing.
///
/// It runs on two plain threads of its own, so that a stop works however busy or stuck the task pool is: the conductor
/// takes events in order and performs what `ShutdownSequence` answers; the timekeeper ends the process at the
/// deadline, even where the conductor cannot.
///
/// ```swift
/// let signals = SignalListener()                             // first line of main
/// let lifecycle = Lifecycle(configuration: .init(), logger: logger, lastWords: { _ in flush() })
/// signals.deliver { if $0 == .terminate { lifecycle.stop(.sigterm) } }
/// lifecycle.onCleanUp("database") { await database.close() }
/// lifecycle.started()
/// let rows = try await lifecycle.withWork("nightly report") { try await report() }
/// ```
public final class Lifecycle: Sendable {
    private enum Event: Sendable {
        case started
        case stop(ShutdownTrigger, errorType: String?, inFlight: Int)
        case idle
        /// The step of the clean-up with this number has ended.
        case stepDone(Int)
        case deadlineOver
        /// Load balancers have noticed: the rest of the drain delay can be saved.
        case unreadinessSeen
    }

    /// How many answers of 503 to `/ready` it takes until a prober has noticed: the failure threshold of Kubernetes.
    static let unreadyAnswersNeeded = 3
    /// How long no request must have come before the drain delay ends early.
    static let quietTime = Duration.seconds(1)
    /// How long a step of the clean-up may take once a trap was contained: it may wait for a task that never ends.
    static let stepPatience = Duration.seconds(2)
    /// How often the timekeeper looks whether the task pool moves.
    static let poolPatience = Duration.milliseconds(100)
    /// How many threads the task pool may get beyond its own because application code blocks those.
    static let extraPoolThreads = 64

    private struct Shared {
        var mailbox: [Event] = []
        var observers: [@Sendable (Phase) -> Void] = []
        var trapObservers: [@Sendable (ContainedTrap) -> Void] = []
        var flushes: [@Sendable (Duration) -> Void] = []
        var cleanUps: [(name: String, body: @Sendable () async -> Void)] = []
    }

    /// What is in flight.
    public let work = WorkLedger()

    private let configuration: ShutdownConfiguration
    let logger: Logger
    private let lastWords: @Sendable (ShutdownReceipt) -> Void
    private let exit: @Sendable (Int32) -> Void
    private let phaseValue = Atomic<UInt8>(Phase.starting.rawValue)
    private let shared = Mutex(Shared())
    private let mail = MonotonicSemaphore()
    private let deadlineArmed = MonotonicSemaphore()
    private let finished = MonotonicSemaphore()
    private let unreadyAnswers = Atomic<Int>(0)
    private let hasExited = Atomic<Bool>(false)
    /// Set before anybody outside can notice the trap; the phase follows when the conductor has its turn.
    let hasTrapped = Atomic<Bool>(false)
    /// The code that the conductor has decided to exit with; -1 before that.
    private let decidedCode = Atomic<Int32>(-1)
    let trapHandlers = Mutex<[TrapHandler]>([])
    let lastTrapHandlerID = Atomic<Int>(0)
    private let began = Mutex<(receipt: ShutdownReceipt, at: SuspendingClock.Instant, sawException: Bool)?>(nil)

    /// Starts the two threads; the phase is ``Phase/starting``.
    ///
    /// - Parameters:
    ///   - configuration: how patient the shutdown is.
    ///   - logger: receives the shutdown's sentences.
    ///   - lastWords: called on a plain thread right before the exit, to flush what must be flushed. At the deadline it
    ///     has 500 ms; when it has not returned by then, the process ends without it.
    ///   - exit: ends the process with this code, by `_exit` if nil. It is called once and must not wait for anything.
    public init(
        configuration: ShutdownConfiguration,
        logger: Logger,
        lastWords: @escaping @Sendable (ShutdownReceipt) -> Void = { _ in },
        exit: (@Sendable (Int32) -> Void)? = nil
    ) {
        self.configuration = configuration
        self.logger = logger
        self.lastWords = lastWords
        // At once: what runs at a normal exit may wait for a lock that a stuck thread holds.
        self.exit = exit ?? { _exit($0) }
        OwnThread.start("med-conductor") { self.conduct() }
        OwnThread.start("med-deadline") { self.keepDeadline() }
    }

    /// Where the process is. Reading it costs one atomic load.
    public var phase: Phase {
        // Only raw values of `Phase` are ever stored.
        Phase(rawValue: self.phaseValue.load(ordering: .acquiring)) ?? .stopped
    }

    /// Start-up is finished: ``Phase/starting`` becomes ``Phase/serving``.
    public func started() { self.post(.started) }

    /// Begins the shutdown, or counts as one more trigger of the one that runs.
    ///
    /// - Parameters:
    ///   - trigger: what is logged, counted and audited.
    ///   - error: what ended the service or task. Its type is logged, never its text, which could hold PHI.
    public func stop(_ trigger: ShutdownTrigger, because error: (any Error)? = nil) {
        self.post(trigger, errorType: error.map { String(reflecting: type(of: $0)) })
    }

    /// A prober was told that the process is not ready. After three of those, the drain delay ends as soon as no request
    /// has come for a second.
    func unreadinessWasAnswered() {
        guard self.phase == .draining else { return }
        let count = self.unreadyAnswers.add(1, ordering: .relaxed).newValue
        if count == Self.unreadyAnswersNeeded { self.post(.unreadinessSeen) }
    }

    /// How the shutdown will have gone if the rest of it goes well; nil before it began.
    public var receipt: ShutdownReceipt? {
        guard let began = self.began.withLock({ $0 }) else { return nil }
        return self.receipt(began, exitCode: began.sawException ? ExitCode.containedFailure : ExitCode.graceful)
    }

    private func receipt(
        _ began: (receipt: ShutdownReceipt, at: SuspendingClock.Instant, sawException: Bool), exitCode: Int32
    ) -> ShutdownReceipt {
        var receipt = began.receipt
        receipt.exitCode = exitCode
        receipt.duration = began.at.duration(to: .now)
        receipt.abandoned = self.work.count
        return receipt
    }

    /// Calls `observer` on the conductor's thread whenever the phase changes. It must not block.
    public func onPhase(_ observer: @escaping @Sendable (Phase) -> Void) {
        self.shared.withLock { $0.observers.append(observer) }
    }

    /// Registers a step of the clean-up. Steps run one after the other, the last registered first, so that what was
    /// opened first, and is needed longest, is closed last.
    public func onCleanUp(_ name: String, _ body: @escaping @Sendable () async -> Void) {
        self.shared.withLock { $0.cleanUps.append((name, body)) }
    }

    // MARK: - Traps

    /// Calls `observer` on the crash guard's thread for every trap that was contained: to close what only the lost thread
    /// could have closed. It must not block.
    public func onTrap(_ observer: @escaping @Sendable (ContainedTrap) -> Void) {
        self.shared.withLock { $0.trapObservers.append(observer) }
    }

    /// Calls `flush` right before the last words, with the time it has: to log what is not logged yet.
    func onFlush(_ flush: @escaping @Sendable (Duration) -> Void) {
        self.shared.withLock { $0.flushes.append(flush) }
    }

    /// A thread has trapped and is lost: begins the shutdown, and finishes what others wait for.
    func contain(_ trap: ContainedTrap) {
        self.hasTrapped.store(true, ordering: .releasing)
        // Counted before the lost work is struck out.
        self.post(.uncaughtException, errorType: trap.signal)
        for observer in self.shared.withLock({ $0.trapObservers }) { observer(trap) }
        guard trap.work != 0 else { return }
        let handlers = self.trapHandlers.withLock { handlers in
            defer { handlers.removeAll { $0.work == trap.work } }
            return handlers.filter { $0.work == trap.work }
        }
        for handler in handlers.reversed() { handler.action() }
        self.work.lose(trap.work)
    }

    // MARK: - The conductor

    /// The deadline runs from here, so that it needs nothing of the conductor.
    private func post(_ trigger: ShutdownTrigger, errorType: String?) {
        self.deadlineArmed.signal()
        self.post(.stop(trigger, errorType: errorType, inFlight: self.work.count))
    }

    private func post(_ event: Event) {
        self.shared.withLock { $0.mailbox.append(event) }
        self.mail.signal()
    }

    private func conduct() {
        var sequence = ShutdownSequence.starting
        var timer: DispatchTime?
        var drainEnd = DispatchTime.distantFuture
        // Made now: threads may be hard to get when they are needed.
        var cleanUp = CleanUp(executor: ThreadExecutor(name: "med-cleanup"))
        while true {
            let result = timer.map { self.mail.wait(until: $0) } ?? self.waitForMail()
            let action: ShutdownSequence.Action
            if result == .timedOut {
                timer = nil
                if sequence.phase == .draining, let later = self.drainsUntil(drainEnd) {
                    timer = later
                    continue
                }
                switch sequence.phase {
                case .draining:
                    action = sequence.drainDelayOver()
                case .cleaningUp:
                    timer = .now() + Self.stepPatience.dispatchInterval
                    guard self.hasTrapped.load(ordering: .acquiring) else { continue }
                    self.logger.warning(
                        "A step of the clean-up does not end",
                        metadata: ["shutdown.step": "\(cleanUp.currentName)"]
                    )
                    // It may still occupy the thread.
                    cleanUp.executor = ThreadExecutor(name: "med-cleanup")
                    action = self.next(of: &cleanUp) ? .none : sequence.cleanedUp()
                default:
                    action = sequence.graceOver()
                }
            } else {
                guard let event = self.shared.withLock({ $0.mailbox.isEmpty ? nil : $0.mailbox.removeFirst() }) else {
                    continue
                }
                switch event {
                case .started: action = sequence.started()
                case .stop(let trigger, let errorType, let inFlight):
                    action = sequence.triggered(by: trigger)
                    self.perform(action, after: trigger, errorType: errorType, inFlight: inFlight)
                case .idle: action = sequence.idle()
                case .stepDone(let number):
                    // One that was given up may end later.
                    guard number == cleanUp.current else { continue }
                    timer = .now() + Self.stepPatience.dispatchInterval
                    action = self.next(of: &cleanUp) ? .none : sequence.cleanedUp()
                case .deadlineOver: action = sequence.deadlineOver()
                case .unreadinessSeen:
                    action = .none
                    if sequence.phase == .draining { timer = .now() }
                }
            }
            self.publish(sequence.phase)
            switch action {
            case .none, .note: break
            case .beginDrain:
                drainEnd = .now() + self.configuration.drainDelay.dispatchInterval
                timer = drainEnd
            case .closeGate:
                timer = .now() + self.configuration.grace.dispatchInterval
                self.work.closeGate { self.post(.idle) }
            case .cancelWork:
                timer = nil
                let held = self.work.summary()
                let count = self.work.cancelAll()
                self.began.withLock { $0?.receipt.cancelled = count }
                self.logger.warning("Grace is over, cancelling", metadata: ["shutdown.held_by": "\(held)"])
            case .cleanUp:
                self.logger.notice("Server closed, cleaning up resources...")
                cleanUp.steps = self.shared.withLock { $0.cleanUps }.reversed()
                timer = .now() + Self.stepPatience.dispatchInterval
                self.post(.stepDone(cleanUp.current))
            case .exit(let code):
                self.finish(code)
                cleanUp.executor.finish()
                return
            }
        }
    }

    /// When to look again whether the drain delay is over; nil if it is.
    private func drainsUntil(_ end: DispatchTime) -> DispatchTime? {
        let now = DispatchTime.now()
        guard now < end else { return nil }
        guard self.unreadyAnswers.load(ordering: .relaxed) >= Self.unreadyAnswersNeeded,
            let lastAdmission = self.work.lastAdmission
        else { return end }
        let quiet = Self.quietTime - lastAdmission.duration(to: .now)
        return quiet > .zero ? min(end, now + quiet.dispatchInterval) : nil
    }

    private func waitForMail() -> DispatchTimeoutResult {
        self.mail.wait()
        return .success
    }

    /// Says what a trigger did, and publishes a shutdown's beginning before it says it.
    private func perform(
        _ action: ShutdownSequence.Action,
        after trigger: ShutdownTrigger,
        errorType: String?,
        inFlight count: Int
    ) {
        var metadata: Logger.Metadata = ["shutdown.trigger": "\(trigger.rawValue)"]
        metadata["error.type"] = errorType.map { "\($0)" }
        switch action {
        case .beginDrain:
            // Before anything else: from now on /ready is 503.
            self.phaseValue.store(Phase.draining.rawValue, ordering: .releasing)
            self.work.watchAdmissions()
            self.began.withLock {
                let receipt = ShutdownReceipt(
                    trigger: trigger,
                    inFlightAtStart: count,
                    cancelled: 0,
                    abandoned: 0,
                    duration: .zero,
                    exitCode: ExitCode.forced
                )
                $0 = (receipt, .now, !trigger.isSignal)
            }
            metadata["shutdown.in_flight"] = "\(count)"
            self.logger.log(
                level: trigger.isSignal ? .notice : .critical,
                "\(trigger.rawValue) received, starting graceful shutdown...",
                metadata: metadata
            )
            self.notifyObservers(of: .draining)
        case .note:
            if !trigger.isSignal { self.began.withLock { $0?.sawException = true } }
            self.logger.warning("Already shutting down", metadata: metadata)
        case .exit:
            self.logger.error("Second signal, exiting at once", metadata: metadata)
        default:
            break
        }
    }

    private func publish(_ phase: Phase) {
        guard self.phaseValue.exchange(phase.rawValue, ordering: .acquiringAndReleasing) != phase.rawValue else {
            return
        }
        self.notifyObservers(of: phase)
    }

    private func notifyObservers(of phase: Phase) {
        for observer in self.shared.withLock({ $0.observers }) { observer(phase) }
    }

    /// The steps of the clean-up, and which of them is under way.
    private struct CleanUp {
        var steps: [(name: String, body: @Sendable () async -> Void)] = []
        /// The thread that they run on.
        var executor: ThreadExecutor
        /// -1 before the first one.
        var current = -1

        var currentName: String { self.steps.indices.contains(self.current) ? self.steps[self.current].name : "none" }
    }

    /// Begins the next step. False if there is none.
    private func next(of cleanUp: inout CleanUp) -> Bool {
        cleanUp.current += 1
        let number = cleanUp.current
        guard number < cleanUp.steps.count else { return false }
        let step = cleanUp.steps[number]
        self.logger.debug("Cleaning up", metadata: ["shutdown.step": "\(step.name)"])
        Task(executorPreference: cleanUp.executor) {
            await step.body()
            self.post(.stepDone(number))
        }
        return true
    }

    private func finish(_ code: Int32) {
        self.decidedCode.store(code, ordering: .releasing)
        // Symbols are read from files, which may take its time; at the deadline there is none.
        let patience = code == ExitCode.forced ? Duration.milliseconds(100) : .seconds(2)
        for flush in self.shared.withLock({ $0.flushes }) { flush(patience) }
        switch code {
        case ExitCode.graceful, ExitCode.containedFailure:
            self.logger.notice("Graceful shutdown complete")
        case ExitCode.forced:
            self.logger.error(
                "Forced shutdown after timeout",
                metadata: ["shutdown.held_by": "\(self.work.summary())"]
            )
        default:
            break
        }
        if let began = self.began.withLock({ $0 }) {
            self.lastWords(self.receipt(began, exitCode: code))
        }
        self.exitOnce(code)
    }

    // MARK: - The deadline

    private func keepDeadline() {
        self.deadlineArmed.wait()
        let deadline = DispatchTime.now() + self.configuration.deadline.dispatchInterval
        var pool = PoolWatch(threads: Self.extraPoolThreads)
        while self.finished.wait(until: min(deadline, .now() + Self.poolPatience.dispatchInterval)) == .timedOut {
            pool.keepMoving()
            guard DispatchTime.now() >= deadline else { continue }
            self.post(.deadlineOver)
            // The conductor has this long for its last words; then the process ends without them.
            guard self.finished.wait(until: .now() + .milliseconds(500)) == .timedOut else { return }
            // The receipt may have been written with another code.
            let decided = self.decidedCode.load(ordering: .acquiring)
            return self.exitOnce(decided < 0 ? ExitCode.forced : decided)
        }
    }

    private func exitOnce(_ code: Int32) {
        guard !self.hasExited.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.exit(code)
        self.finished.signal()
    }
}

extension Duration {
    /// For Dispatch, which counts whole nanoseconds, and so no more than 292 years; a century is for ever.
    package var dispatchInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(3_155_760_000)).components
        return .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
    }
}
