// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import NIOCore
import NIOPosix
import Synchronization

/// The event loops of a server, and which of them are lost to a trap.
final class EventLoops: Sendable {
    private struct State {
        /// The loops by the kernel's numbers of their threads.
        var threads: [Int32: Int] = [:]
        var lost: Set<Int> = []
    }

    let group: MultiThreadedEventLoopGroup
    private let all: [any EventLoop]
    private let state = Mutex(State())
    private let hasLost = Atomic(false)

    init(count: Int) {
        self.group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        self.all = Array(self.group.makeIterator())
        for (index, loop) in self.all.enumerated() {
            loop.execute {
                let thread = CrashGuard.prepareEventLoopThread()
                self.state.withLock { $0.threads[thread] = index }
            }
        }
    }

    /// Those that still run.
    var living: [any EventLoop] {
        let lost = self.state.withLock { $0.lost }
        return self.all.enumerated().filter { !lost.contains($0.offset) }.map(\.element)
    }

    /// Whether the thread of this loop is lost.
    func isLost(_ loop: any EventLoop) -> Bool {
        guard self.hasLost.load(ordering: .acquiring) else { return false }
        return !self.living.contains { $0 === loop }
    }

    /// Notes that a thread is lost. The loop that ran on it, if one did.
    func lose(thread: Int32) -> (any EventLoop)? {
        let index = self.state.withLock { state -> Int? in
            guard let index = state.threads[thread] else { return nil }
            state.lost.insert(index)
            return index
        }
        guard let index else { return nil }
        self.hasLost.store(true, ordering: .releasing)
        return self.all[index]
    }

    /// Has every loop watched for stalls.
    func watch(by watch: StallWatch) {
        for (index, loop) in self.all.enumerated() {
            watch.watch(Self.name(index)) { _ in
                let thread = self.state.withLock { state in state.threads.first { $0.value == index }?.key }
                return thread.map(CrashGuard.stack(ofThread:)) ?? []
            } beat: { answered in
                loop.execute(answered)
            }
        }
    }

    /// What the watch calls a loop.
    func name(of loop: any EventLoop) -> String {
        Self.name(self.all.firstIndex { $0 === loop } ?? 0)
    }

    /// Whether the watch means one of these loops.
    static func isName(_ name: String) -> Bool { name.hasPrefix(Self.prefix) }

    private static let prefix = "event loop "
    private static func name(_ index: Int) -> String { "\(Self.prefix)\(index)" }
}
