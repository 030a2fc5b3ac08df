// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Numbers for identifiers, from any thread, without a lock or a system call: SplitMix64 (Steele, Lea, Flood: "Fast
/// Splittable Pseudorandom Number Generators"), with a step of its own for each process. They are no secrets.
public final class IdentifierSource: Sendable {
    /// The one of this process.
    public static let shared = IdentifierSource(seed: .random(in: 0...UInt64.max), step: .random(in: 0...UInt64.max))

    private let state: Atomic<UInt64>
    private let step: UInt64

    /// A source that always gives the same numbers for the same seed and step.
    public init(seed: UInt64, step: UInt64) {
        self.state = Atomic(seed)
        // An odd step goes through all numbers before it comes back.
        self.step = step | 1
    }

    /// The next number.
    public func next() -> UInt64 {
        var number = self.state.wrappingAdd(self.step, ordering: .relaxed).newValue
        number = (number ^ number >> 30) &* 0xbf58_476d_1ce4_e5b9
        number = (number ^ number >> 27) &* 0x94d0_49bb_1331_11eb
        return number ^ number >> 31
    }
}
