// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// One field of a record's metadata, for the records that ``LogFragments`` refuses, for people, and for a sink.
struct LogField {
    /// Where a field comes from; the first that has a key wins.
    enum Source: UInt8 { case call, context, logger }

    var key: String
    let value: Logger.MetadataValue
    let source: Source

    /// By the bytes of the keys; of one key, the source that wins comes first.
    static func precedes(_ left: LogField, _ right: LogField) -> Bool {
        if left.key.utf8.elementsEqual(right.key.utf8) { return left.source.rawValue < right.source.rawValue }
        return left.key.utf8.lexicographicallyPrecedes(right.key.utf8)
    }
}

extension ContiguousArray<LogField> {
    /// Sorts by keys, and leaves one field of each key.
    mutating func settle(hasSeveralSources: Bool) {
        self.sort { LogField.precedes($0, $1) }
        guard hasSeveralSources, self.count > 1 else { return }
        var kept = 1
        for index in 1..<self.count where self[index].key != self[kept - 1].key {
            if kept != index { self.swapAt(kept, index) }
            kept += 1
        }
        self.removeLast(self.count - kept)
    }
}
