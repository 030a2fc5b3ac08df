// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime

/// Keeps the task pool moving during a shutdown, whatever application code does to its threads: one that waits for a lock
/// which a lost thread holds will never come back.
struct PoolWatch {
    /// How many more threads may be added.
    private var threads: Int
    private var begun: UInt64?

    init(threads: Int) { self.threads = threads }

    /// Adds a thread if jobs wait and none was begun since the last call.
    mutating func keepMoving() {
        let counts = med_task_pool_counts()
        defer { self.begun = counts.begun }
        guard counts.waiting > 0, counts.begun == self.begun, self.threads > 0 else { return }
        if med_task_pool_add_thread() == 0 { self.threads -= 1 }
    }
}
