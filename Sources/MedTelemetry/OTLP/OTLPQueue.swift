// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Items that wait to be sent: so many, and so many bytes, at most.
final class OTLPQueue<Item: Sendable>: Sendable {
    /// Bytes that all items may take together, about.
    static var maximumSize: Int { 33_554_432 }

    private struct State {
        var items: [(item: Item, size: Int)] = []
        /// How many at the beginning are gone: taking them out one by one would move all others.
        var first = 0
        var size = 0

        var count: Int { self.items.count - self.first }
    }

    private let limit: Int
    /// Every request goes through it, on all threads: see ``LogLock``.
    private let state = LogLock(State())

    init(limit: Int) { self.limit = limit }

    var count: Int { self.state.withLock { $0.count } }

    /// Appends the item, and says how many there are then; `nil` if there is no room.
    func append(_ item: Item, size: Int) -> Int? {
        self.state.withLock { state in
            guard state.count < self.limit, state.size + size <= Self.maximumSize else { return nil }
            state.items.append((item, size))
            state.size += size
            return state.count
        }
    }

    /// Takes out the oldest ones: so many at most, and not many more bytes than a body may have.
    func take(_ count: Int) -> [Item] {
        self.state.withLock { state in
            var taken: [Item] = []
            var size = 0
            while state.count > 0, taken.count < count, size < 1_000_000 {
                let (item, itemSize) = state.items[state.first]
                taken.append(item)
                size += itemSize
                state.first += 1
            }
            state.size -= size
            if state.first * 2 >= state.items.count {
                state.items.removeFirst(state.first)
                state.first = 0
            }
            return taken
        }
    }
}
