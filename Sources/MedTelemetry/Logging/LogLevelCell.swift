// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

/// The level of all loggers of one name, read with every call, also with those that log nothing.
final class LogLevelCell: Sendable {
    /// The bits of a level: an enumeration without payloads that fits a byte. They never leave the process.
    private let bits: Atomic<UInt8>

    init(_ level: Logger.Level) {
        self.bits = Atomic(unsafeBitCast(level, to: UInt8.self))
        // Of the same size, which is checked when the cast is made.
    }

    /// One relaxed load: a level that changes may be seen a moment later by another thread.
    @inline(__always)
    var level: Logger.Level {
        unsafeBitCast(self.bits.load(ordering: .relaxed), to: Logger.Level.self)
        // Bits of a level, put there by this type alone: a switch over all levels would cost more than all the rest.
    }

    func set(_ level: Logger.Level) {
        self.bits.store(unsafeBitCast(level, to: UInt8.self), ordering: .relaxed)
        // Of the same size, as above.
    }
}
