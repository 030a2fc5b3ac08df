// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A moment as the probes write it: ISO 8601 in UTC with milliseconds, `2025-10-27T05:34:00.000Z`.
public struct Timestamp: Sendable, CustomStringConvertible {
    private let seconds: time_t
    private let milliseconds: Int

    /// Milliseconds since 1970-01-01T00:00:00Z.
    public init(millisecondsSince1970: Int) {
        self.seconds = millisecondsSince1970 / 1000
        self.milliseconds = millisecondsSince1970 % 1000
    }

    /// A moment, to the millisecond.
    public init(date: Date) {
        self.init(millisecondsSince1970: Int((date.timeIntervalSince1970 * 1000).rounded(.down)))
    }

    var millisecondsSince1970: Int { self.seconds * 1000 + self.milliseconds }

    /// This moment.
    public static var now: Self {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Self(millisecondsSince1970: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }

    public var description: String {
        // Foundation's ISO 8601 style takes several times as long as everything else in a probe's answer.
        var seconds = self.seconds
        var date = tm()
        gmtime_r(&seconds, &date)
        return String(unsafeUninitializedCapacity: 24) { text in
            var index = 0
            func digits(_ value: Int, _ count: Int, _ separator: Character) {
                var rest = value
                for position in stride(from: index + count - 1, through: index, by: -1) {
                    text[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
                // Every separator below is ASCII.
                text[index + count] = separator.asciiValue ?? 0
                index += count + 1
            }
            digits(Int(date.tm_year) + 1900, 4, "-")
            digits(Int(date.tm_mon) + 1, 2, "-")
            digits(Int(date.tm_mday), 2, "T")
            digits(Int(date.tm_hour), 2, ":")
            digits(Int(date.tm_min), 2, ":")
            digits(Int(date.tm_sec), 2, ".")
            digits(self.milliseconds, 3, "Z")
            return 24
        }
    }
}
