// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A number that goes up and down: how much of something there is.
public final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    /// Says how much there is now. Infinities and what is no number are shown as such.
    public func set(_ value: Double) { self.bits.store(value.bitPattern, ordering: .relaxed) }

    /// Adds to it.
    public func add(_ amount: Double = 1) {
        var old = self.bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (isDone, original) = self.bits.compareExchange(expected: old, desired: new, ordering: .relaxed)
            if isDone { return }
            old = original
        }
    }

    /// Takes from it.
    public func subtract(_ amount: Double = 1) { self.add(-amount) }

    /// How much there is.
    public var value: Double { Double(bitPattern: self.bits.load(ordering: .relaxed)) }
}
