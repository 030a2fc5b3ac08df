// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging

/// The fields of one record as JSON, `,"key":value`, in the order in which they come, to be copied in the order of their
/// keys.
///
/// Texts are written once, and sorted as places of a buffer: sorting the fields themselves would count the references of
/// every key and value over and over, which took most of the time of a line. It is for what almost every record is; one
/// with many fields, much text, or the name of a fixed field is refused, and goes the slow way (``LogField``).
struct LogFragments: ~Copyable {
    /// The most fields, and the most bytes of all but the last of them.
    private static let maximumCount = 48
    private static let maximumSize = 32_768

    struct Entry: BitwiseCopyable {
        /// The first sixteen bytes of the key, so that most comparisons look at nothing else.
        let high: UInt64
        let low: UInt64
        let source: UInt8
        /// Where the fragment begins, where its key ends, where it ends.
        let start: Int32
        let keyEnd: Int32
        let end: Int32
    }

    /// In memory of the ``LogScratch``, of ``maximumCount`` entries, which the maker keeps alive.
    private let entries: UnsafeMutablePointer<Entry>
    private var parts: LogLine
    private(set) var count = 0
    /// Where the value of `event.dataset` is, which stands among the fixed fields.
    private(set) var dataset: Range<Int>?
    private var sourceCount: UInt8 = 0

    init(scratch: LogScratch) {
        // Lent by the scratch: see above.
        self.entries = scratch.entries
        self.parts = LogLine(buffer: scratch.parts)
    }

    static func allocate() -> UnsafeMutablePointer<Entry> {
        // For the scratch, which owns and frees it.
        .allocate(capacity: Self.maximumCount)
    }

    /// Adds the fields of one source; those that came before win.
    ///
    /// - Returns: `false` when these are no fields for the fast way.
    @inline(__always)
    mutating func add(_ metadata: Logger.Metadata) -> Bool {
        guard self.count + metadata.count <= Self.maximumCount else { return false }
        self.sourceCount += 1
        for (key, value) in metadata {
            guard self.add(key, value) else { return false }
        }
        return true
    }

    @inline(__always)
    private mutating func add(_ key: String, _ value: Logger.MetadataValue) -> Bool {
        guard self.parts.count <= Self.maximumSize else { return false }
        var key = key
        let (high, low) = key.withUTF8 { Self.prefix(of: $0) }
        if JSONLogLayout.mayBeFixed(high), JSONLogLayout.isFixed(key, hasErrorType: true) {
            guard key == "event.dataset" else { return false }
            switch value {
            case .dictionary, .array: return false
            case .string, .stringConvertible: break
            }
            let start = self.parts.count
            self.parts.appendJSON(value, limit: LogLine.Limit.name)
            if self.dataset == nil { self.dataset = start..<self.parts.count }
            return true
        }
        let start = Int32(truncatingIfNeeded: self.parts.count)
        self.parts.append(UInt8(ascii: ","))
        self.parts.appendJSON(key, limit: LogLine.Limit.escaped, scrubbing: false)
        let keyEnd = Int32(truncatingIfNeeded: self.parts.count)
        self.parts.append(UInt8(ascii: ":"))
        self.parts.appendJSON(value)
        // `add` of a source has made sure of the room.
        self.entries[self.count] = Entry(
            high: high,
            low: low,
            source: self.sourceCount,
            start: start,
            keyEnd: keyEnd,
            end: Int32(truncatingIfNeeded: self.parts.count)
        )
        self.count += 1
        return true
    }

    @inline(__always)
    private static func prefix(of key: UnsafeBufferPointer<UInt8>) -> (UInt64, UInt64) {
        // The storage of a string, lent for the call; sixteen bytes of it at most are read.
        guard key.count < 16, let start = key.baseAddress else {
            guard key.count >= 16, let start = key.baseAddress.map(UnsafeRawPointer.init) else { return (0, 0) }
            return (
                start.loadUnaligned(as: UInt64.self).bigEndian,
                start.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
            )
        }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in 0..<min(key.count, 8) { high |= UInt64(start[index]) << UInt64(56 - 8 * index) }
        var index = 8
        while index < key.count {
            low |= UInt64(start[index]) << UInt64(120 - 8 * index)
            index += 1
        }
        return (high, low)
    }

    /// The bytes of a part.
    func bytes(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        // As long as the memory of the scratch.
        UnsafeBufferPointer(rebasing: self.parts.bytes[range])
    }

    /// Calls the body with one fragment after the other, in the order of their keys, each key once; until it says `false`.
    @inline(__always)
    func forEach(_ body: (UnsafeBufferPointer<UInt8>) -> Bool) {
        // Insertion: at most ``maximumCount`` entries, and most records have a dozen. Inside the memory of the scratch.
        var index = 1
        while index < self.count {
            let entry = self.entries[index]
            var place = index
            while place > 0, self.precedes(entry, self.entries[place - 1]) {
                self.entries[place] = self.entries[place - 1]
                place -= 1
            }
            self.entries[place] = entry
            index += 1
        }
        index = 0
        while index < self.count {
            let entry = self.entries[index]
            index += 1
            if self.sourceCount > 1, index > 1, self.hasSameKey(entry, self.entries[index - 2]) { continue }
            guard body(self.bytes(Int(entry.start)..<Int(entry.end))) else { return }
        }
    }

    @inline(__always)
    private func precedes(_ left: Entry, _ right: Entry) -> Bool {
        if left.high != right.high { return left.high < right.high }
        if left.low != right.low { return left.low < right.low }
        let order = self.compare(left, right)
        return order == 0 ? left.source < right.source : order < 0
    }

    private func hasSameKey(_ left: Entry, _ right: Entry) -> Bool {
        left.high == right.high && left.low == right.low && self.compare(left, right) == 0
    }

    /// The order of two keys by what is written of them.
    private func compare(_ left: Entry, _ right: Entry) -> Int32 {
        let (leftKey, rightKey) = (
            self.bytes(Int(left.start)..<Int(left.keyEnd) - 1), self.bytes(Int(right.start)..<Int(right.keyEnd) - 1)
        )
        // Both have a comma and a quote at least: they are not empty.
        guard let leftStart = leftKey.baseAddress, let rightStart = rightKey.baseAddress else { return 0 }
        let order = memcmp(leftStart, rightStart, min(leftKey.count, rightKey.count))
        return order != 0 ? order : Int32(truncatingIfNeeded: leftKey.count - rightKey.count)
    }
}
