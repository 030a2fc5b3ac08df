// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedSystem
import Glibc
import Synchronization

/// A row of 64-bit numbers to which many threads add at once, and whose sum is read now and then.
///
/// The first thread that adds owns a row in which nobody else writes: it needs no atomic addition, which takes three
/// times as long (as the owner of a Swift or Java object with biased locking needs none). All others share a second row.
/// When two of them meet on a number there, they get a row for each processor, each on cache lines of its own: from then
/// on they do not meet (the idea of Java's LongAdder). Most never do, so that ten thousand of them stay small.
final class StripedWords: @unchecked Sendable {
    // Unchecked: the memory behind the pointers holds atomics alone, and is freed when nobody has this object any more.
    private typealias Word = Atomic<UInt64>

    /// A cache line, so that two rows never share one.
    private static let line = 8
    /// Two cache lines: processors fetch them in pairs.
    private static let padding = 16
    private static let stripeCount = {
        let processors = max(1, min(64, sysconf(Int32(_SC_NPROCESSORS_CONF))))
        return 1 << (Int.bitWidth - (processors - 1).leadingZeroBitCount)
    }()

    /// The token of the thread that owns the numbers behind it (0: still nobody), those numbers, and from ``shared`` on
    /// those of all others.
    private let base: UnsafeMutablePointer<Word>
    private let baseCount: Int
    private let shared: UnsafeMutablePointer<Word>
    private let stripes = Atomic<UnsafeMutableRawPointer?>(nil)
    private let stride: Int
    private let stripeMask = StripedWords.stripeCount - 1
    private var stripeCount: Int { self.stripeMask + 1 }

    /// So many numbers, all 0.
    init(width: Int) {
        let owned = Self.rounded(1 + width, to: Self.line)
        self.baseCount = owned + Self.rounded(width, to: Self.line)
        self.stride = Self.rounded(width, to: Self.padding)
        self.base = Self.makeWords(self.baseCount, alignment: Self.line)
        self.shared = self.base + owned
    }

    deinit {
        Self.free(self.base, self.baseCount)
        if let words = self.stripes.load(ordering: .acquiring) {
            Self.free(words.assumingMemoryBound(to: Word.self), self.stride * self.stripeCount)
        }
    }

    private static func rounded(_ count: Int, to step: Int) -> Int { (count + step - 1) / step * step }

    private static func makeWords(_ count: Int, alignment: Int) -> UnsafeMutablePointer<Word> {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: alignment * 8)
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
        let stripe = Int(sched_getcpu()) & self.stripeMask
        return raw.assumingMemoryBound(to: Word.self) + stripe &* self.stride
    }

    /// Whether an addition that found this value is one of the few that look whether two threads meet: one of sixteen,
    /// whatever is added.
    @inline(__always)
    private static func isProbe(_ value: UInt64) -> Bool { (value &* 0x9E37_79B9_7F4A_7C15) >> 60 == 0 }

    /// The place of a number in the row of this thread alone; nil if another thread has that row.
    @inline(__always)
    private func own(_ index: Int) -> UnsafeMutablePointer<Word>? {
        // Inside the memory that `init` has made: after the token, there are as many numbers as it was told.
        self.base[0].load(ordering: .relaxed) == med_thread_token() ? self.base + (1 + index) : nil
    }

    /// Whether the row that one thread has alone belongs to this one from now on.
    ///
    /// A thread may get the token of one that has ended, and what that one has written with it: whoever made the
    /// thread has synchronized with the end of the other.
    private func claim() -> Bool {
        // Trying takes the line from its owner: only where there is none yet.
        guard self.base[0].load(ordering: .relaxed) == 0 else { return false }
        return self.base[0].compareExchange(expected: 0, desired: med_thread_token(), ordering: .relaxed).exchanged
    }

    /// Adds a whole number.
    ///
    /// - Parameter looks: whether to look now and then if two threads meet: false for the second of two numbers that
    ///   always go together.
    ///
    /// What happens seldom is elsewhere, so that what is left saves no registers.
    @inline(__always)
    func add(_ amount: UInt64, at index: Int, looks: Bool = true) {
        guard let word = self.own(index) else { return self.addToOthers(amount, at: index, looks: looks) }
        word.pointee.store(word.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    @inline(never)
    private func addToOthers(_ amount: UInt64, at index: Int, looks: Bool) {
        if self.claim() { return self.add(amount, at: index) }
        if let row = self.row() {
            row[index].wrappingAdd(amount, ordering: .relaxed)
            return
        }
        // A fetch-and-add takes little more than half the time of a compare-exchange, but cannot tell that somebody
        // else is here.
        let (old, new) = self.shared[index].wrappingAdd(amount, ordering: .relaxed)
        if looks, Self.isProbe(old) { self.probe(new, at: index) }
    }

    /// Makes the rows if somebody has added to a number since it became `value`, which is not ten nanoseconds ago.
    @inline(never)
    private func probe(_ value: UInt64, at index: Int) {
        let (isAlone, _) = self.shared[index].compareExchange(expected: value, desired: value, ordering: .relaxed)
        if !isAlone { self.grow() }
    }

    /// Adds to a number that is a `Double`.
    @inline(__always)
    func add(_ amount: Double, at index: Int) {
        guard let word = self.own(index) else { return self.addToOthers(amount, at: index) }
        let sum = Double(bitPattern: word.pointee.load(ordering: .relaxed)) + amount
        word.pointee.store(sum.bitPattern, ordering: .relaxed)
    }

    @inline(never)
    private func addToOthers(_ amount: Double, at index: Int) {
        if self.claim() { return self.add(amount, at: index) }
        if let row = self.row() { return Self.add(amount, to: row, index) }
        let value = self.shared[index].load(ordering: .relaxed)
        let sum = (Double(bitPattern: value) + amount).bitPattern
        let (isDone, _) = self.shared[index].compareExchange(expected: value, desired: sum, ordering: .relaxed)
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
    @inline(never)
    @discardableResult
    func grow() -> UnsafeMutablePointer<Atomic<UInt64>> {
        if self.stripes.load(ordering: .acquiring) == nil {
            let words = Self.makeWords(self.stride * self.stripeCount, alignment: Self.padding)
            let (isMine, _) = self.stripes.compareExchange(
                expected: nil, desired: UnsafeMutableRawPointer(words), ordering: .acquiringAndReleasing)
            if !isMine { Self.free(words, self.stride * self.stripeCount) }
        }
        return self.row() ?? self.shared
    }

    /// Calls `visit` with a number in each row.
    @inline(__always)
    private func forEach(at index: Int, _ visit: (borrowing Word) -> Void) {
        visit(self.base[1 + index])
        visit(self.shared[index])
        // As in `row`.
        guard let raw = self.stripes.load(ordering: .acquiring) else { return }
        let words = raw.assumingMemoryBound(to: Word.self)
        for stripe in 0..<self.stripeCount { visit(words[stripe * self.stride + index]) }
    }

    /// The sum of all rows.
    func sum(at index: Int) -> UInt64 {
        var sum: UInt64 = 0
        self.forEach(at: index) { sum &+= $0.load(ordering: .relaxed) }
        return sum
    }

    /// The sum of all rows of a number that is a `Double`.
    func doubleSum(at index: Int) -> Double {
        var sum = 0.0
        self.forEach(at: index) { sum += Double(bitPattern: $0.load(ordering: .relaxed)) }
        return sum
    }
}
