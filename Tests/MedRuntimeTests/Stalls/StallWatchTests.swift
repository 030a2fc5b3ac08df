// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Logging
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct StallWatchTests {
    /// A thing whose heartbeats a test answers by hand.
    private final class Thing: Sendable {
        private let heartbeats = Mutex<[@Sendable () -> Void]>([])

        /// How many heartbeats it has got and not answered.
        var unanswered: Int { self.heartbeats.withLock(\.count) }

        func beat(_ answered: @escaping @Sendable () -> Void) { self.heartbeats.withLock { $0.append(answered) } }

        /// Answers, `times` times.
        func answer(times: Int = 1) {
            let answers = self.heartbeats.withLock { heartbeats in
                defer { heartbeats = [] }
                return heartbeats
            }
            for answer in answers { for _ in 0..<times { answer() } }
        }
    }

    /// Tells when nobody holds it any more.
    private final class Ending: Sendable {
        private let ended: @Sendable () -> Void

        init(_ ended: @escaping @Sendable () -> Void) { self.ended = ended }

        deinit { self.ended() }
    }

    private static let turn = Duration.milliseconds(250)

    /// Brings the time of one limit, ten seconds, in turns without a thread.
    private func passLimit(_ watch: StallWatch) { for _ in 0..<40 { watch.turn(after: Self.turn) } }

    @Test func `a stall and its end are told to everyone, once`() {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(10), logger: log.logger)
        let (stuck, well) = (Thing(), Thing())
        let told = Mutex<[Set<String>]>([])
        watch.watch("loop", stacks: { ["\($0) at epoll_wait", "\($0) at main"] }, beat: stuck.beat)
        watch.watch("pool", beat: well.beat)
        watch.onChange { stalled in told.withLock { $0.append(stalled) } }
        watch.turn(after: .zero)
        for _ in 0..<100 {
            well.answer()
            watch.turn(after: Self.turn)
        }
        #expect(watch.isStalled)
        #expect(watch.stalled == ["loop"])
        stuck.answer()
        well.answer()
        watch.turn(after: Self.turn)
        #expect(!watch.isStalled)
        #expect(watch.stalled.isEmpty)
        #expect(told.withLock { $0 } == [["loop"], []])
        #expect(log.messages == ["Stalled", "Moving again"])
        #expect(log.text.contains("loop at epoll_wait\nloop at main"))
        #expect(log.text.contains(#""stall.since_seconds": 10.0"#))
        #expect(log.text.contains(#""stall.seconds": 25.0"#))
    }

    @Test func `the probes and the observers know before anything is logged`() {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(10), logger: log.logger)
        let seen = Mutex<[String]>([])
        watch.onChange { _ in seen.withLock { $0.append("observer, \(log.messages.count) lines") } }
        watch.watch(
            "loop",
            stacks: { _ in
                seen.withLock { $0.append("stacks, \(watch.isStalled)") }
                return []
            },
            beat: Thing().beat
        )
        watch.turn(after: .zero)
        self.passLimit(watch)
        #expect(seen.withLock { $0 } == ["observer, 0 lines", "stacks, true"])
        #expect(!log.text.contains("error.stack_trace"))
    }

    @Test func `an answer that comes twice does not count for the next heartbeat`() {
        let watch = StallWatch(limit: .seconds(10), logger: RecordedLog().logger)
        let thing = Thing()
        let late = Mutex<(@Sendable () -> Void)?>(nil)
        watch.watch("loop") { answered in
            late.withLock { $0 = $0 ?? answered }
            thing.beat(answered)
        }
        watch.turn(after: .zero)
        thing.answer(times: 2)
        watch.turn(after: Self.turn)
        for _ in 0..<40 {
            late.withLock(\.self)?()
            watch.turn(after: Self.turn)
        }
        #expect(watch.isStalled)
    }

    @Test func `a thing that is behind gets no second heartbeat`() {
        let watch = StallWatch(limit: .seconds(10), logger: RecordedLog().logger)
        let thing = Thing()
        watch.watch("loop", beat: thing.beat)
        watch.turn(after: .zero)
        self.passLimit(watch)
        self.passLimit(watch)
        #expect(thing.unanswered == 1)
    }

    @Test func `a thing that works through a long queue is not stalled`() {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(10), logger: log.logger)
        let progress = Atomic<UInt64>(0)
        // Its heartbeats wait behind everything else.
        watch.watch("pool", progress: { progress.load(ordering: .relaxed) }) { _ in }
        for _ in 0..<3 {
            for _ in 0..<39 { watch.turn(after: Self.turn) }
            progress.add(1, ordering: .relaxed)
        }
        #expect(!watch.isStalled)
        self.passLimit(watch)
        self.passLimit(watch)
        #expect(watch.isStalled)
    }

    @Test func `what was forgotten is no stall any more`() {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(10), logger: log.logger)
        watch.watch("loop", beat: Thing().beat)
        watch.turn(after: .zero)
        self.passLimit(watch)
        #expect(watch.isStalled)
        watch.forget("loop")
        watch.turn(after: Self.turn)
        #expect(!watch.isStalled)
        self.passLimit(watch)
        #expect(log.messages == ["Stalled"])
    }

    @Test func `a thing of the same name takes the place of the other`() {
        let watch = StallWatch(limit: .seconds(10), logger: RecordedLog().logger)
        let (lost, next) = (Thing(), Thing())
        watch.watch("loop", beat: lost.beat)
        watch.turn(after: .zero)
        watch.watch("loop", beat: next.beat)
        watch.turn(after: .zero)
        for _ in 0..<100 {
            next.answer()
            watch.turn(after: Self.turn)
        }
        #expect(!watch.isStalled)
        #expect(next.unanswered == 1)
    }

    @Test func `a process that was stopped is not called stalled`() {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(10), logger: log.logger)
        let thing = Thing()
        watch.watch("loop", beat: thing.beat)
        watch.turn(after: .zero)
        watch.turn(after: .seconds(3600))
        watch.turn(after: Self.turn)
        thing.answer()
        watch.turn(after: Self.turn)
        #expect(log.messages.isEmpty)
    }

    /// Waits until the watch says what is expected.
    private func until(_ watch: StallWatch, isStalled: Bool) async {
        while watch.isStalled != isStalled { try? await Task.sleep(for: .milliseconds(5)) }
    }

    @Test func `a task pool whose tasks run is not stalled`() async {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(60), logger: log.logger)
        let answers = AsyncStream.makeStream(of: Void.self)
        watch.watch("pool") { answered in
            Task {
                answered()
                answers.continuation.yield()
            }
        }
        watch.start()
        for await _ in answers.stream.prefix(3) {}
        watch.stop()
        #expect(log.messages.isEmpty)
    }

    @Test func `a queue that is blocked is seen, and seen to move again`() async {
        let log = RecordedLog()
        let watch = StallWatch(limit: .milliseconds(500), logger: log.logger)
        let queue = DispatchQueue(label: "blocked")
        let gate = DispatchSemaphore(value: 0)
        watch.watch("queue") { answered in queue.async(execute: answered) }
        watch.start()
        for _ in 0..<2 {
            queue.async { gate.wait() }
            await self.until(watch, isStalled: true)
            #expect(watch.stalled == ["queue"])
            gate.signal()
            await self.until(watch, isStalled: false)
        }
        // What it logs, it logs after it has shown it.
        while log.messages.count < 4 { try? await Task.sleep(for: .milliseconds(5)) }
        watch.stop()
        // A machine that is short of processors may bring another one of half a second.
        let messages = log.messages
        #expect(messages.count >= 4)
        for (index, message) in messages.enumerated() {
            #expect(message == (index.isMultiple(of: 2) ? "Stalled" : "Moving again"))
        }
    }

    @Test func `what is idle, slow or busy is not stalled`() async throws {
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(3), logger: log.logger)
        let (idle, slow, busy) = (
            DispatchQueue(label: "idle"), DispatchQueue(label: "slow"), DispatchQueue(label: "busy")
        )
        let isOver = Atomic(false)
        watch.watch("idle") { answered in idle.async(execute: answered) }
        watch.watch("slow") { answered in slow.asyncAfter(deadline: .now() + .milliseconds(400), execute: answered) }
        watch.watch("busy") { answered in busy.async(execute: answered) }
        watch.start()
        // Work that always has more of itself in line.
        @Sendable func work() {
            let end = SuspendingClock().now + .milliseconds(20)
            while SuspendingClock().now < end {}
            if !isOver.load(ordering: .relaxed) { busy.async { work() } }
        }
        busy.async { work() }
        try await Task.sleep(for: .milliseconds(4500))
        isOver.store(true, ordering: .relaxed)
        watch.stop()
        #expect(log.messages.isEmpty)
    }

    @Test func `it asks on a thread that has its name, until it is stopped`() async {
        let names = AsyncStream.makeStream(of: String?.self)
        // The watch lives as long as its thread, and the stream ends with it.
        do {
            let watch = StallWatch(limit: .milliseconds(500), logger: RecordedLog().logger)
            let ending = Ending { names.continuation.finish() }
            watch.watch("thread") { answered in
                names.continuation.yield(try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))
                _ = ending
                answered()
            }
            watch.start()
            for await name in names.stream where name == "med-watchdog\n" { break }
            watch.stop()
        }
        for await _ in names.stream {}
    }
}
