// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A name and a value that tell one series of a metric from the others.
public struct MetricLabel: Sendable, Hashable {
    /// The longest value that is kept, in bytes of UTF-8.
    static let maxValueLength = 1024
    /// What ends a value that was longer.
    static let cutMark = "…"

    /// The name.
    public let name: String
    /// The value; cut if it was longer than a kilobyte.
    public let value: String

    /// A label; of a value that is too long, the beginning.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = Self.cut(value)
    }

    /// The value, or as much of it as may be kept, cut between two characters of Unicode.
    static func cut(_ value: String) -> String {
        guard value.utf8.count > Self.maxValueLength else { return value }
        var end = value.utf8.index(value.startIndex, offsetBy: Self.maxValueLength - Self.cutMark.utf8.count)
        while end > value.startIndex, end.samePosition(in: value.unicodeScalars) == nil {
            value.utf8.formIndex(before: &end)
        }
        return value[..<end] + Self.cutMark
    }
}
