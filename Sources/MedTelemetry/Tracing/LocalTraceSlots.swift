// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts the unsampled traces that wait for their end, so that they cannot take all memory.
final class LocalTraceSlots: Sendable {
    /// Bytes that all spans that wait may take together, about.
    static let maximumSize = 33_554_432

    private let limit: Int
    private let size = Atomic<Int>(0)
    private let used = Atomic<Int>(0)
    private let dropped = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// How many traces wait.
    var usedCount: Int { self.used.load(ordering: .relaxed) }
    /// How many spans found no place in a trace that waits.
    var droppedCount: Int { self.dropped.load(ordering: .relaxed) }

    func countDrop() { self.dropped.add(1, ordering: .relaxed) }

    /// Makes room for a span that waits, if there is some.
    func reserve(_ size: Int) -> Bool {
        guard self.size.add(size, ordering: .relaxed).newValue > Self.maximumSize else { return true }
        self.size.subtract(size, ordering: .relaxed)
        return false
    }

    /// Takes a place, if there is one.
    func take() -> Bool {
        guard self.used.add(1, ordering: .relaxed).newValue > self.limit else { return true }
        self.used.subtract(1, ordering: .relaxed)
        return false
    }

    /// Gives back a place, and the room of the spans in it.
    func giveBack(size: Int) {
        self.used.subtract(1, ordering: .relaxed)
        self.size.subtract(size, ordering: .relaxed)
    }
}
