// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A moment in UTC, taken apart for printing: `2025-10-27T05:34:00.000Z`, or `05:34:00.000`.
///
/// A formatter of our own, because a date formatter costs more than all the rest of a log line. Moments outside the years
/// 0000 to 9999 print as the nearest moment inside, so that the width never changes.
struct LogTimestamp {
    let year: Int
    let month: Int
    let day: Int
    /// Since midnight.
    private let milliseconds: Int

    private static let millisecondsPerDay: Int64 = 86_400_000
    /// 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.
    static let printable: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    /// - Parameter unixMilliseconds: Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    init(unixMilliseconds: Int64) {
        let moment = min(max(unixMilliseconds, Self.printable.lowerBound), Self.printable.upperBound)
        let timeOfDay = (moment % Self.millisecondsPerDay + Self.millisecondsPerDay) % Self.millisecondsPerDay
        self.milliseconds = Int(timeOfDay)
        (self.year, self.month, self.day) = Self.civil(
            daysSince1970: Int((moment - timeOfDay) / Self.millisecondsPerDay))
    }

    /// Appends the date and the time of day.
    func appendDateAndTime(to bytes: inout [UInt8]) {
        Self.append(self.year, digits: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        Self.append(self.month, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        Self.append(self.day, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        self.appendTime(to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// Appends the time of day alone.
    func appendTime(to bytes: inout [UInt8]) {
        Self.append(self.milliseconds / 3_600_000, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        Self.append(self.milliseconds / 60_000 % 60, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        Self.append(self.milliseconds / 1000 % 60, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        Self.append(self.milliseconds % 1000, digits: 3, to: &bytes)
    }

    /// Howard Hinnant's `civil_from_days`: in a year that begins in March the leap day comes last, and an era of 400 years
    /// always has 146,097 days.
    private static func civil(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
        let days = daysSince1970 + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func append(_ value: Int, digits: Int, to bytes: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }

    /// Milliseconds since 1970 by the system's clock.
    @Sendable static func systemNow() -> Int64 {
        var time = timespec()
        // Cannot fail: the clock exists and the pointer is valid.
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
