// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

/// The level of all loggers of one name, read with every call, also with those that log nothing.
final class LogLevelCell: Sendable {
    private let index: Atomic<UInt8>

    init(_ level: Logger.Level) {
        self.index = Atomic(Self.index(of: level))
    }

    /// One relaxed load: a level that changes may be seen a moment later by another thread.
    @inline(__always)
    var level: Logger.Level {
        switch self.index.load(ordering: .relaxed) {
        case 0: .trace
        case 1: .debug
        case 2: .info
        case 3: .notice
        case 4: .warning
        case 5: .error
        default: .critical
        }
    }

    func set(_ level: Logger.Level) {
        self.index.store(Self.index(of: level), ordering: .relaxed)
    }

    private static func index(of level: Logger.Level) -> UInt8 {
        switch level {
        case .trace: 0
        case .debug: 1
        case .info: 2
        case .notice: 3
        case .warning: 4
        case .error: 5
        case .critical: 6
        }
    }
}
