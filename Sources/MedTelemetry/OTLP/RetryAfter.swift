// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The header `Retry-After`: seconds or a date in one of three forms (RFC 9110, sections 10.2.3 and 5.6.7).
enum RetryAfter {
    /// A collector that asks for more is mistaken, or lies.
    static let maximum = Duration.seconds(600)

    private static let months = [
        "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11,
        "Dec": 12,
    ]

    /// How long to wait; `nil` if the header says nothing.
    static func pause(_ header: String, wallNow: UInt64) -> Duration? {
        let seconds: Int
        if !header.isEmpty, header.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // More digits than a number has are a long time.
            seconds = Int(header) ?? .max
        } else if let date = Self.date(header) {
            seconds = date - Int(wallNow / 1_000_000_000)
        } else {
            return nil
        }
        return min(.seconds(min(max(seconds, 0), 1_000_000)), Self.maximum)
    }

    /// Seconds since 1970.
    static func date(_ text: String) -> Int? {
        let parts = text.split { " ,-:".contains($0) }
        let fields: [Substring]
        switch parts.count {
        // Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT
        case 8 where parts[7] == "GMT": fields = [parts[3], parts[2], parts[1], parts[4], parts[5], parts[6]]
        // Sun Nov  6 08:49:37 1994
        case 7: fields = [parts[6], parts[1], parts[2], parts[3], parts[4], parts[5]]
        default: return nil
        }
        guard let shortYear = Int(fields[0]), let month = Self.months[String(fields[1])], let day = Int(fields[2]),
            let hour = Int(fields[3]), let minute = Int(fields[4]), let second = Int(fields[5]),
            (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second),
            (0...9999).contains(shortYear)
        else { return nil }
        let year = fields[0].count == 2 ? shortYear + (shortYear < 70 ? 2000 : 1900) : shortYear
        return Self.days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    }

    /// Days since 1970 (Gregorian), with years that begin in March, so that a leap day is the last of its year.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month > 2 ? year : year - 1
        let century = year / 100
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return year * 365 + year / 4 - century + century / 4 + dayOfYear - 719_468
    }
}
