// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedSystem
import Glibc
import Synchronization

/// A row of 64-bit numbers to which many threads add at once, and whose sum is read now and then.
///
/// It begins as one row. When two threads meet on a number, it gets a row for each processor, each on cache lines of its own: from then on
/// they do not meet (the idea of Java's LongAdder). Most rows never grow, so that ten thousand of them stay small.
final class StripedWords: @unchecked Sendable {
    // Unchecked: the memory behind the pointers holds atomics alone, and is freed when nobody has this object any more.
    private typealias Word = Atomic<UInt64>

    /// Two cache lines: processors fetch them in pairs.
    private static let padding = 16
    private static let stripeCount = {
        let processors = max(1, min(64, sysconf(Int32(_SC_NPROCESSORS_CONF))))
        return 1 << (Int.bitWidth - (processors - 1).leadingZeroBitCount)
    }()

    /// How many numbers there are.
    let width: Int
    private let base: UnsafeMutablePointer<Word>
    private let stripes = Atomic<UnsafeMutableRawPointer?>(nil)
    private var stride: Int { (self.width + Self.padding - 1) / Self.padding * Self.padding }

    init(width: Int) {
        self.width = width
        self.base = Self.makeWords(width)
    }

    deinit {
        Self.free(self.base, self.width)
        if let words = self.stripes.load(ordering: .acquiring) {
            Self.free(words.assumingMemoryBound(to: Word.self), self.stride * Self.stripeCount)
        }
    }

    private static func makeWords(_ count: Int) -> UnsafeMutablePointer<Word> {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: Self.padding * 8)
        // Fresh memory, of which nobody knows yet.
        let words = raw.bindMemory(to: Word.self, capacity: count)
        for index in 0..<count { (words + index).initialize(to: Word(0)) }
        return words
    }

    private static func free(_ words: UnsafeMutablePointer<Word>, _ count: Int) {
        words.deinitialize(count: count)
        words.deallocate()
    }

    /// The row of the processor that this thread runs on, if there is more than one.
    @inline(__always)
    private func row() -> UnsafeMutablePointer<Word>? {
        // It was bound to words by whoever made it.
        guard let raw = self.stripes.load(ordering: .acquiring) else { return nil }
        let stripe = Int(sched_getcpu()) & (Self.stripeCount - 1)
        return raw.assumingMemoryBound(to: Word.self) + stripe * self.stride
    }

    /// Adds a whole number, which may be negative in two's complement.
    @inline(__always)
    func add(_ amount: UInt64, at index: Int) {
        if let row = self.row() {
            row[index].wrappingAdd(amount, ordering: .relaxed)
            return
        }
        let value = self.base[index].load(ordering: .relaxed)
        let (isDone, _) = self.base[index].compareExchange(
            expected: value, desired: value &+ amount, ordering: .relaxed)
        if !isDone { self.grow()[index].wrappingAdd(amount, ordering: .relaxed) }
    }

    /// Adds to a number that is a `Double`.
    @inline(__always)
    func add(_ amount: Double, at index: Int) {
        if let row = self.row() { return Self.add(amount, to: row, index) }
        let value = self.base[index].load(ordering: .relaxed)
        let sum = (Double(bitPattern: value) + amount).bitPattern
        let (isDone, _) = self.base[index].compareExchange(expected: value, desired: sum, ordering: .relaxed)
        if !isDone { Self.add(amount, to: self.grow(), index) }
    }

    private static func add(_ amount: Double, to row: UnsafeMutablePointer<Word>, _ index: Int) {
        // A thread may be moved to another processor at any moment, so two can still meet here.
        var value = row[index].load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: value) + amount).bitPattern
            let (isDone, original) = row[index].compareExchange(expected: value, desired: sum, ordering: .relaxed)
            if isDone { return }
            value = original
        }
    }

    /// Makes the rows, unless somebody else has, and gives the one of this processor.
    private func grow() -> UnsafeMutablePointer<Word> {
        if self.stripes.load(ordering: .acquiring) == nil {
            let words = Self.makeWords(self.stride * Self.stripeCount)
            let (isMine, _) = self.stripes.compareExchange(
                expected: nil, desired: UnsafeMutableRawPointer(words), ordering: .acquiringAndReleasing)
            if !isMine { Self.free(words, self.stride * Self.stripeCount) }
        }
        return self.row() ?? self.base
    }

    /// The sum of all rows.
    func sum(at index: Int) -> UInt64 {
        var sum = self.base[index].load(ordering: .relaxed)
        // As in `row`.
        guard let raw = self.stripes.load(ordering: .acquiring) else { return sum }
        let words = raw.assumingMemoryBound(to: Word.self)
        for stripe in 0..<Self.stripeCount { sum &+= words[stripe * self.stride + index].load(ordering: .relaxed) }
        return sum
    }

    /// The sum of all rows of a number that is a `Double`.
    func doubleSum(at index: Int) -> Double {
        var sum = Double(bitPattern: self.base[index].load(ordering: .relaxed))
        // As in `row`.
        guard let raw = self.stripes.load(ordering: .acquiring) else { return sum }
        let words = raw.assumingMemoryBound(to: Word.self)
        for stripe in 0..<Self.stripeCount {
            sum += Double(bitPattern: words[stripe * self.stride + index].load(ordering: .relaxed))
        }
        return sum
    }
}
