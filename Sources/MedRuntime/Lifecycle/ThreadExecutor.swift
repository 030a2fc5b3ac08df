// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Dispatch
import Synchronization

/// Runs tasks on one plain thread, which nothing else can occupy: the clean-up must go on when the task pool does not.
final class ThreadExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let arrived = DispatchSemaphore(value: 0)

    /// Starts the thread, which lives as long as the process.
    init(name: String) { OwnThread.start(name) { self.work() } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.jobs.withLock { $0.append(job) }
        self.arrived.signal()
    }

    private func work() {
        while true {
            self.arrived.wait()
            let job = self.jobs.withLock { $0.removeFirst() }
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}
