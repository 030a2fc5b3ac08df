// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Dispatch
import Synchronization

/// Runs tasks on one plain thread, which nothing else can occupy: the clean-up must go on when the task pool does not. A
/// trap of a task is contained like any other, and ends the thread's work.
final class ThreadExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let arrived = DispatchSemaphore(value: 0)

    private let isFinished = Atomic(false)

    /// Starts the thread, which lives until ``finish()``.
    init(name: String) { OwnThread.start(name, containsTraps: true) { self.work() } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.jobs.withLock { $0.append(job) }
        self.arrived.signal()
    }

    /// Ends the thread when it comes to it. What is enqueued later never runs.
    func finish() {
        self.isFinished.store(true, ordering: .releasing)
        self.arrived.signal()
    }

    private func work() {
        while true {
            self.arrived.wait()
            if self.isFinished.load(ordering: .acquiring) { return }
            let job = self.jobs.withLock { $0.removeFirst() }
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}
