// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Runs tasks on the thread of whichever ``Reactor`` the database has, and without one on Dispatch's threads: what is enqueued always runs.
final class PostgresExecutor: TaskExecutor {
    private let reactor = Mutex<Reactor?>(nil)

    /// Where tasks run from now on; nil for Dispatch's threads.
    func use(_ reactor: Reactor?) { self.reactor.withLock { $0 = reactor } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = Reactor.Job(job: UnownedJob(job), executor: self.asUnownedTaskExecutor())
        if let reactor = self.reactor.withLock({ $0 }), reactor.enqueue(job) { return }
        job.runElsewhere()
    }
}
