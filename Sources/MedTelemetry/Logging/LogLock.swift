// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A value behind a plain mutex.
///
/// Not `Synchronization.Mutex`: on Linux that one inherits priorities and hands itself over to the next waiter, so that
/// every line of eight busy threads costs two context switches (measured: 60 µs a line, against well below 1 µs).
final class LogLock<Value>: @unchecked Sendable {
    // Unchecked, because the compiler cannot see that the value is only reached with the mutex held.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    // A pthread mutex must stay at one address: it lives in memory of its own, freed with the lock.
    private var value: Value

    init(_ value: sending Value) {
        self.mutex = .allocate(capacity: 1)
        self.mutex.initialize(to: pthread_mutex_t())
        let failure = pthread_mutex_init(self.mutex, nil)
        precondition(failure == 0, "The mutex of the log cannot be made: error \(failure) of pthread_mutex_init.")
        self.value = value
    }

    deinit {
        pthread_mutex_destroy(self.mutex)
        self.mutex.deallocate()
    }

    /// Calls the body with the value, which nobody else can reach meanwhile.
    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return body(&self.value)
    }
}
