// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A number that only grows: how often something has happened since the start of the process.
///
/// Whoever counts often keeps it: adding takes nanoseconds and no memory, on however many threads at once.
public final class Counter: Sendable {
    private static let whole = 0
    private static let fraction = 1
    private let words = StripedWords(width: 2)
    private let refused: (@Sendable () -> Void)?

    /// A counter that calls `refused` for what cannot be added.
    init(refused: (@Sendable () -> Void)? = nil) { self.refused = refused }

    /// Adds a whole number. A negative one is left out, since a counter that falls looks like a restart, and counted in
    /// `medbuilder_metric_values_refused_total`.
    public func increment(by amount: Int = 1) {
        guard amount >= 0 else { return self.refuse() }
        self.words.add(UInt64(bitPattern: Int64(amount)), at: Self.whole)
    }

    /// Adds a number that need not be whole. A negative one, an infinity (which would stay for ever) and what is no
    /// number are left out, and counted in `medbuilder_metric_values_refused_total`.
    public func increment(by amount: Double) {
        guard amount >= 0, amount.isFinite else { return self.refuse() }
        self.words.add(amount, at: Self.fraction)
    }

    /// Brings it up to a number that is counted elsewhere. A lower one is left out. Not for several threads at once.
    public func raise(to value: Double) { self.increment(by: max(0, value - self.value)) }

    @inline(never)
    private func refuse() { self.refused?() }

    /// How much it is.
    public var value: Double { self.words.doubleSum(at: Self.fraction) + Double(self.words.sum(at: Self.whole)) }

    /// How much it is, if only whole numbers were ever added.
    var wholeValue: UInt64? {
        self.words.doubleSum(at: Self.fraction) == 0 ? self.words.sum(at: Self.whole) : nil
    }
}
