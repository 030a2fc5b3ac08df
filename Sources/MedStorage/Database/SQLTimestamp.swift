// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A moment as databases know it: to the microsecond, and with an end and a beginning of time.
public struct SQLTimestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Later than any other.
    public static let infinity = SQLTimestamp(microsecondsSince1970: .max)
    /// Earlier than any other.
    public static let negativeInfinity = SQLTimestamp(microsecondsSince1970: .min)

    /// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
    public let microsecondsSince1970: Int64

    /// A moment by its number.
    public init(microsecondsSince1970: Int64) { self.microsecondsSince1970 = microsecondsSince1970 }

    /// The microsecond nearest to a date; the infinities for dates that are out of range.
    public init(_ date: Date) {
        let microseconds = (date.timeIntervalSince1970 * 1_000_000).rounded()
        self.init(
            microsecondsSince1970: Int64(exactly: microseconds) ?? (microseconds < 0 ? .min : .max))
    }

    /// The date, exact to some tenths of a microsecond; nil for the infinities.
    public var date: Date? {
        if self == .infinity || self == .negativeInfinity { return nil }
        return Date(timeIntervalSince1970: Double(self.microsecondsSince1970) / 1_000_000)
    }

    /// ISO 8601 in UTC with six decimals, `2025-10-27T05:34:00.000000Z`, or `infinity`, or `-infinity`: what Postgres takes, and, for
    /// years of four digits, an order that is that of the text.
    public var description: String {
        if self == .infinity { return "infinity" }
        if self == .negativeInfinity { return "-infinity" }
        let (seconds, fraction) = Self.divide(self.microsecondsSince1970, by: 1_000_000)
        let (days, second) = Self.divide(seconds, by: 86_400)
        let (year, month, day) = Self.civil(fromDays: days)
        let time =
            "T\(Self.digits(second / 3600, 2)):\(Self.digits(second / 60 % 60, 2)):\(Self.digits(second % 60, 2))"
            + ".\(Self.digits(fraction, 6))Z"
        // Postgres writes the years before 1 with BC; there is no year 0.
        let text =
            "\(Self.digits(year > 0 ? year : 1 - year, 4))-\(Self.digits(month, 2))-\(Self.digits(day, 2))\(time)"
        return year > 0 ? text : text + " BC"
    }

    /// Reads what ``description`` writes; other forms are nil.
    public init?(_ text: String) {
        switch text {
        case "infinity": self = .infinity
        case "-infinity": self = .negativeInfinity
        default:
            guard
                let match = text.wholeMatch(
                    of: /(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z( BC)?/),
                let named = Int64(match.1), let month = Int64(match.2), let day = Int64(match.3),
                let hour = Int64(match.4), let minute = Int64(match.5), let second = Int64(match.6),
                (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60
            else { return nil }
            let decimals = match.7.map { $0 + String(repeating: "0", count: 6 - $0.count) } ?? "0"
            let year = match.8 == nil ? named : 1 - named
            let days = Self.days(fromCivil: (year, month, day))
            guard Self.civil(fromDays: days) == (year, month, day), let fraction = Int64(decimals) else { return nil }
            let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
            self.init(microsecondsSince1970: seconds * 1_000_000 + fraction)
        }
    }

    public static func < (left: Self, right: Self) -> Bool { left.microsecondsSince1970 < right.microsecondsSince1970 }

    private static func divide(_ number: Int64, by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func digits(_ number: Int64, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }

    // The proleptic Gregorian calendar by whole numbers: years begin in March, so that the leap day is the last of its year, and 400 of
    // them, an era, have 146,097 days.

    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = self.divide(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func days(fromCivil date: (year: Int64, month: Int64, day: Int64)) -> Int64 {
        let (era, yearOfEra) = self.divide(date.month <= 2 ? date.year - 1 : date.year, by: 400)
        let shifted = date.month > 2 ? date.month - 3 : date.month + 9
        let dayOfYear = (153 * shifted + 2) / 5 + date.day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
