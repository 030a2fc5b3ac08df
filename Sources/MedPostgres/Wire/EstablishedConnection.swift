// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Synchronization

/// A connection on its way from the thread that made it to whoever uses it; closed if nobody takes it.
final class EstablishedConnection: @unchecked Sendable {
    // Unchecked: the pointer leaves once, under the lock.
    private let pointer: Mutex<Int>

    init(_ pointer: OpaquePointer) { self.pointer = Mutex(Int(bitPattern: pointer)) }

    deinit {
        if let pointer = self.take() { PQfinish(pointer) }
    }

    /// The connection, once.
    func take() -> OpaquePointer? {
        self.pointer.withLock { pointer in
            defer { pointer = 0 }
            return OpaquePointer(bitPattern: pointer)
        }
    }
}
