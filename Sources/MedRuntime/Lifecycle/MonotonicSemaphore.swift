// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Dispatch
import Glibc

/// A semaphore whose time limits are kept by the monotonic clock. Dispatch's waits by the wall clock on Linux: one that is
/// set back an hour would hold up a deadline for an hour.
final class MonotonicSemaphore: @unchecked Sendable {
    // Unchecked: the C library's semaphore is made for use by many threads. It must stay at one address.
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        self.semaphore = .allocate(capacity: 1)
        self.semaphore.initialize(to: sem_t())
        sem_init(self.semaphore, 0, 0)
    }

    deinit {
        sem_destroy(self.semaphore)
        self.semaphore.deallocate()
    }

    func signal() { sem_post(self.semaphore) }

    /// Waits for a signal, until then at most.
    func wait(until limit: DispatchTime) -> DispatchTimeoutResult {
        med_semaphore_wait(self.semaphore, limit.uptimeNanoseconds) ? .success : .timedOut
    }

    /// Waits for a signal.
    func wait() { while self.wait(until: .now() + .seconds(3600)) == .timedOut {} }
}
