// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Dispatch
import Foundation
import Synchronization
import Testing

@testable import MedRuntime

/// The task pool, each time in a process of its own, because it takes over all tasks of a process.
@Suite struct TaskPoolTests {
    @Test func `every kind of task runs on it, and sleeping ones wake by their clock`() async {
        await #expect(processExitsWith: .success) {
            let failure = med_task_pool_install(2)
            #expect(failure == 0)
            actor Counter {
                var thread: String { currentThreadName() }
            }
            var names: [String] = []
            names.append(await Task.detached { currentThreadName() }.value)
            names.append(await Task.detached { await Counter().thread }.value)
            await withTaskGroup(of: String.self) { group in
                for _ in 0..<4 { group.addTask { currentThreadName() } }
                for await name in group { names.append(name) }
            }
            names.append(
                await Task.detached {
                    try? await Task.sleep(for: .milliseconds(20), clock: .continuous)
                    return currentThreadName()
                }.value
            )
            names.append(
                await Task.detached {
                    try? await Task.sleep(for: .milliseconds(20), clock: .suspending)
                    return currentThreadName()
                }.value
            )
            names.append(
                await Task.detached {
                    await withCheckedContinuation { continuation in
                        DispatchQueue.global().async { continuation.resume() }
                    }
                    return currentThreadName()
                }.value
            )
            precondition(names.allSatisfy { $0 == "med-tasks" }, "\(names)")
        }
    }

    @Test func `a hundred thousand tasks are run, each once`() async {
        await #expect(processExitsWith: .success) {
            precondition(med_task_pool_install(3) == 0)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<100_000 { group.addTask { count.add(1, ordering: .relaxed) } }
            }
            precondition(count.load(ordering: .relaxed) == 100_000)
            precondition(med_task_pool_counts().waiting == 0)
        }
    }

    @Test func `sleeping tasks wake in the order of their times, cancelled ones at once`() async {
        await #expect(processExitsWith: .success) {
            // On one thread, so that the order in which they are woken is the one in which they run.
            precondition(med_task_pool_install(1) == 0)
            // Far enough away for all to be asleep by then, and far enough apart, on a busy machine too: the runtime makes a
            // wait of the moment, and may lose time between its two looks at the clock.
            let first = ContinuousClock.now + .seconds(2)
            await withTaskGroup(of: Void.self) { group in
                for number in (0..<10).shuffled() {
                    group.addTask {
                        try? await Task.sleep(until: first + .milliseconds(number * 200), clock: .continuous)
                        woken.withLock { $0.append(number) }
                    }
                }
            }
            precondition(woken.withLock { $0 } == Array(0..<10), "\(woken.withLock { $0 })")
            let sleeper = Task { try await Task.sleep(for: .seconds(3600)) }
            sleeper.cancel()
            var wasCancelled = false
            do { try await sleeper.value } catch { wasCancelled = error is CancellationError }
            precondition(wasCancelled)
        }
    }

    @Test func `a thread that is lost is replaced, and one that was added goes when nothing waits`() async {
        await #expect(processExitsWith: .success) {
            precondition(med_task_pool_install(2) == 0)
            let blocked = DispatchSemaphore(value: 0)
            // Both threads are taken.
            for _ in 0..<2 { Task { block(on: blocked) } }
            while med_task_pool_counts().begun < 2 { usleep(1000) }
            let ran = DispatchSemaphore(value: 0)
            Task { signal(ran) }
            precondition(wait(for: ran, milliseconds: 100) == .timedOut)
            precondition(med_task_pool_add_thread() == 0)
            precondition(wait(for: ran, milliseconds: 60_000) == .success)
            while med_task_pool_counts().threads > 2 { usleep(1000) }
            precondition(med_task_pool_replace_thread() == 0)
            let counts = med_task_pool_counts()
            precondition(counts.threads == 2 && counts.lost == 1 && counts.target == 2)
            Task { signal(ran) }
            precondition(wait(for: ran, milliseconds: 60_000) == .success)
        }
    }
}

// What an exit test shares between its tasks has to be global.
private let count = Atomic<Int>(0)
private let woken = Mutex<[Int]>([])

private func currentThreadName() -> String {
    let name = try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
    return name?.trimmingCharacters(in: .newlines) ?? "?"
}

private func block(on semaphore: DispatchSemaphore) { semaphore.wait() }
private func signal(_ semaphore: DispatchSemaphore) { semaphore.signal() }
private func wait(for semaphore: DispatchSemaphore, milliseconds: Int) -> DispatchTimeoutResult {
    semaphore.wait(timeout: .now() + .milliseconds(milliseconds))
}
