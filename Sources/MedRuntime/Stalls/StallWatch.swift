// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Logging
import Synchronization

/// Notices that a thread or a pool no longer does any work: an event loop in an endless loop, a task pool whose threads
/// all wait for each other.
///
/// Each watched thing gets a heartbeat to answer, about four times a second, from a plain thread that depends on none
/// of them. One that has not answered for the limit is stalled until it answers:
///
/// ```swift
/// let watch = StallWatch(limit: .seconds(10), logger: logger)
/// watch.watch("event loop 0") { answered in eventLoop.execute(answered) }
/// watch.watchTaskPool()
/// watch.start()
/// watch.isStalled   // cheap enough for every probe
/// ```
///
/// What stops the whole process (SIGSTOP, a machine that sleeps or has no processor to give, a wall clock that jumps)
/// is no stall: the age of a heartbeat is the time that the watchdog's own thread has seen pass.
///
/// Stop the watch before an event loop is shut down: a loop that takes no more work answers no more.
public final class StallWatch: Sendable {
    /// Hands `answered` over to the watched thing, which calls it when it comes to it. Must return at once.
    public typealias Beat = @Sendable (_ answered: @escaping @Sendable () -> Void) -> Void

    /// One heartbeat. The next one is another object, so an answer that comes late or twice is taken for no other.
    private final class Heartbeat: Sendable {
        let isAnswered = Atomic(false)
    }

    private struct State: ~Copyable {
        var detector = StallDetector.idle
        var heartbeat = Heartbeat()
        var progress: UInt64 = 0
    }

    private final class Thing: Sendable {
        let name: String
        let beat: Beat
        let stacks: @Sendable (String) -> [String]
        let progress: @Sendable () -> UInt64
        let state = Mutex(State())

        init(
            name: String,
            beat: @escaping Beat,
            stacks: @escaping @Sendable (String) -> [String],
            progress: @escaping @Sendable () -> UInt64
        ) {
            self.name = name
            self.progress = progress
            self.beat = beat
            self.stacks = stacks
        }

        var isStalled: Bool { self.state.withLock { $0.detector.isStalled } }

        func pass(_ elapsed: Duration, pace: StallDetector.Pace) -> StallDetector.Change {
            let progress = self.progress()
            return self.state.withLock { state in
                let moves = progress != state.progress
                state.progress = progress
                return moves || state.heartbeat.isAnswered.load(ordering: .acquiring)
                    ? state.detector.answered() : state.detector.passed(elapsed, pace: pace)
            }
        }

        func ask() {
            let heartbeat: Heartbeat? = self.state.withLock { state in
                guard state.detector.ask() else { return nil }
                state.heartbeat = Heartbeat()
                return state.heartbeat
            }
            guard let heartbeat else { return }
            self.beat { heartbeat.isAnswered.store(true, ordering: .releasing) }
        }
    }

    private let pace: StallDetector.Pace
    private let logger: Logger
    private let things = Mutex<[Thing]>([])
    private let observers = Mutex<[@Sendable (Set<String>) -> Void]>([])
    private let turnObservers = Mutex<[@Sendable (Duration, Bool) -> Void]>([])
    private let names = Mutex<Set<String>>([])
    private let anyStalled = Atomic(false)
    private let isStopped = Atomic(false)

    /// Creates a watch that begins with ``start()``.
    ///
    /// - Parameters:
    ///   - limit: A heartbeat of this age is a stall. It is seen half a second later at most.
    ///   - logger: Is told of each stall and its end.
    public init(limit: Duration, logger: Logger) {
        self.pace = StallDetector.Pace(limit: limit)
        self.logger = logger
    }

    /// Whether something is stalled: one atomic load.
    public var isStalled: Bool { self.anyStalled.load(ordering: .acquiring) }

    /// The names of what is stalled.
    public var stalled: Set<String> { self.names.withLock { $0 } }

    /// Watches one more thing, instead of the one that had its name, if any.
    ///
    /// - Parameters:
    ///   - name: For the log; names nothing secret.
    ///   - stacks: Asked once a stall, on the watchdog's thread: what the thing's threads are doing, a line each.
    ///   - progress: A number that changes whenever the thing has done something: then it moves, although a heartbeat may
    ///     have to wait behind much other work.
    ///   - beat: Hands a heartbeat over to the thing.
    public func watch(
        _ name: String,
        stacks: @escaping @Sendable (_ name: String) -> [String] = { _ in [] },
        progress: @escaping @Sendable () -> UInt64 = { 0 },
        beat: @escaping Beat
    ) {
        self.forget(name)
        self.things.withLock { $0.append(Thing(name: name, beat: beat, stacks: stacks, progress: progress)) }
    }

    /// Watches the threads that run Swift tasks.
    public func watchTaskPool() {
        self.watch("task pool") { _ in
            CrashGuard.taskPoolStacks()
        } progress: {
            CrashGuard.taskPoolProgress
        } beat: { answered in
            Task { answered() }
        }
    }

    /// Watches a thing no longer: it ended, or its thread is lost, which is for others to report.
    public func forget(_ name: String) {
        let forgotten = self.things.withLock { things in
            let forgotten = things.filter { $0.name == name }
            things.removeAll { $0.name == name }
            return forgotten
        }
        // A turn that has begun may still hold it.
        for thing in forgotten { thing.state.withLock { $0.detector.forget() } }
    }

    /// Calls `observer` with the names of all that is stalled whenever they change, on the watchdog's thread.
    ///
    /// It is called before anything is logged, and must not block.
    public func onChange(_ observer: @escaping @Sendable (_ stalled: Set<String>) -> Void) {
        self.observers.withLock { $0.append(observer) }
    }

    /// Calls `observer` at every turn, on the watchdog's thread: with the time since the last one, and whether anything is stalled.
    ///
    /// It must not block.
    func onTurn(_ observer: @escaping @Sendable (_ elapsed: Duration, _ isStalled: Bool) -> Void) {
        self.turnObservers.withLock { $0.append(observer) }
    }

    /// Begins, on a thread of its own that goes on until ``stop()``. Call it once.
    public func start() {
        OwnThread.start("med-watchdog") {
            let clock = SuspendingClock()
            var elapsed = Duration.zero
            while !self.isStopped.load(ordering: .acquiring) {
                self.turn(after: elapsed)
                // What the turn itself took is not counted: the heartbeats went out at some moment of it.
                let began = clock.now
                Self.sleep(self.pace.turn)
                elapsed = clock.now - began
            }
        }
    }

    /// Ends the thread, within a turn.
    public func stop() { self.isStopped.store(true, ordering: .releasing) }

    /// One round of questions, `elapsed` after those of the last one.
    func turn(after elapsed: Duration) {
        let things = self.things.withLock { $0 }
        let changes = things.map { ($0, $0.pass(elapsed, pace: self.pace)) }
        self.publish(Set(things.lazy.filter(\.isStalled).map(\.name)))
        let isStalled = self.isStalled
        for observer in self.turnObservers.withLock({ $0 }) { observer(elapsed, isStalled) }
        for thing in things { thing.ask() }
        // Last, because stacks and a full log take their time.
        for (thing, change) in changes { self.log(change, of: thing) }
    }

    private func publish(_ stalled: Set<String>) {
        let isNew = self.names.withLock { names in
            defer { names = stalled }
            return names != stalled
        }
        guard isNew else { return }
        self.anyStalled.store(!stalled.isEmpty, ordering: .releasing)
        for observer in self.observers.withLock({ $0 }) { observer(stalled) }
    }

    private func log(_ change: StallDetector.Change, of thing: Thing) {
        switch change {
        case .none: break
        case .stalled(let waited):
            var metadata: Logger.Metadata = [
                "stall.what": "\(thing.name)", "stall.since_seconds": "\(Self.seconds(waited))",
            ]
            let stacks = thing.stacks(thing.name)
            if !stacks.isEmpty { metadata["error.stack_trace"] = "\(stacks.joined(separator: "\n"))" }
            self.logger.error("Stalled", metadata: metadata)
        case .movesAgain(let waited):
            self.logger.notice(
                "Moving again",
                metadata: ["stall.what": "\(thing.name)", "stall.seconds": "\(Self.seconds(waited))"]
            )
        }
    }

    /// Seconds, to a tenth.
    private static func seconds(_ duration: Duration) -> Double { (duration / .milliseconds(100)).rounded() / 10 }

    /// Unlike a wait with a date, this does not care what the wall clock does. It may end early, at a signal.
    private static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
    }
}
