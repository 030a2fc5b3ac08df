// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// Runs tasks on the thread of whichever ``Reactor`` the database has, and without one on the task pool's: what is enqueued always runs.
final class PostgresExecutor: TaskExecutor {
    private let reactor = Mutex<Reactor?>(nil)

    /// Where tasks run from now on; nil for the task pool.
    func use(_ reactor: Reactor?) { self.reactor.withLock { $0 = reactor } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = Reactor.Job(job: UnownedJob(job), executor: self.asUnownedTaskExecutor())
        if let reactor = self.reactor.withLock({ $0 }), reactor.enqueue(job) { return }
        job.runOnTaskPool()
    }
}
