// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// The value of the `Date` header (RFC 9110 §5.6.7), made once a second.
final class DateHeader: Sendable {
    private let cached = Mutex<(second: time_t, text: String)>((0, ""))

    /// The value for this moment.
    var value: String {
        let now = time(nil)
        return self.cached.withLock { cached in
            if cached.second != now { cached = (now, Self.format(now)) }
            return cached.text
        }
    }

    static func format(_ seconds: time_t) -> String {
        var seconds = seconds
        var date = tm()
        gmtime_r(&seconds, &date)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(days[Int(date.tm_wday)]), \(two(date.tm_mday)) \(months[Int(date.tm_mon)]) \(date.tm_year + 1900) "
            + "\(two(date.tm_hour)):\(two(date.tm_min)):\(two(date.tm_sec)) GMT"
    }
}
