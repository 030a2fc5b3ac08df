// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts the unsampled traces that wait for their end, so that they cannot take all memory.
final class LocalTraceSlots: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)
    private let dropped = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// How many traces wait.
    var usedCount: Int { self.used.load(ordering: .relaxed) }
    /// How many spans found no place in a trace that waits.
    var droppedCount: Int { self.dropped.load(ordering: .relaxed) }

    func countDrop() { self.dropped.add(1, ordering: .relaxed) }

    /// Takes a place, if there is one.
    func take() -> Bool {
        guard self.used.add(1, ordering: .relaxed).newValue > self.limit else { return true }
        self.used.subtract(1, ordering: .relaxed)
        return false
    }

    func giveBack() { self.used.subtract(1, ordering: .relaxed) }
}
