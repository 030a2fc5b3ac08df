// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A number that only grows: how often something has happened since the start of the process.
///
/// Whoever counts often keeps it: adding takes nanoseconds and no memory, on however many threads at once.
public final class Counter: Sendable {
    private static let whole = 0
    private static let fraction = 1
    private let words = StripedWords(width: 2)

    /// Adds a whole number. A negative one is left out: a counter that falls looks like a restart.
    @inline(__always)
    public func increment(by amount: Int = 1) {
        if amount > 0 { self.words.add(UInt64(amount), at: Self.whole) }
    }

    /// Adds a number that need not be whole. A negative one, an infinity and what is no number are left out.
    public func increment(by amount: Double) {
        if amount > 0, amount.isFinite { self.words.add(amount, at: Self.fraction) }
    }

    /// Brings it up to a number that is counted elsewhere. A lower one is left out. Not for several threads at once.
    public func raise(to value: Double) { self.increment(by: value - self.value) }

    /// How much it is.
    public var value: Double { self.words.doubleSum(at: Self.fraction) + Double(self.words.sum(at: Self.whole)) }

    /// How much it is, if only whole numbers were ever added.
    var wholeValue: UInt64? {
        self.words.doubleSum(at: Self.fraction) == 0 ? self.words.sum(at: Self.whole) : nil
    }
}
