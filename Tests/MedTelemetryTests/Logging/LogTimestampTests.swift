// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedTelemetry

@Suite struct LogTimestampTests {
    private func print(_ unixMilliseconds: Int64) -> String {
        var bytes: [UInt8] = []
        LogTimestamp(unixMilliseconds: unixMilliseconds).appendDateAndTime(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
        (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
        (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
        (1_761_543_240_000, "2025-10-27T05:34:00.000Z"),
        (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ])
    func `a known moment prints as its date`(unixMilliseconds: Int64, expected: String) {
        #expect(self.print(unixMilliseconds) == expected)
    }

    @Test(arguments: [(Int64.min, "0000-01-01T00:00:00.000Z"), (Int64.max, "9999-12-31T23:59:59.999Z")])
    func `a moment out of range prints as the nearest one inside`(unixMilliseconds: Int64, expected: String) {
        #expect(self.print(unixMilliseconds) == expected)
    }

    @Test func `every day of eight centuries agrees with the C library`() {
        // 1600-01-01 to 2400-12-31: two whole cycles of the leap years.
        for day in -135_140...157_419 {
            var seconds = time_t(day) * 86_400
            var reference = tm()
            gmtime_r(&seconds, &reference)
            let timestamp = LogTimestamp(unixMilliseconds: Int64(seconds) * 1000)
            let agrees =
                timestamp.year == Int(reference.tm_year) + 1900 && timestamp.month == Int(reference.tm_mon) + 1
                && timestamp.day == Int(reference.tm_mday)
            // An expectation per day would cost more than the arithmetic.
            guard agrees else {
                Issue.record("day \(day): \(timestamp)")
                return
            }
        }
    }

    @Test func `the time of day stands alone for people`() {
        var bytes: [UInt8] = []
        LogTimestamp(unixMilliseconds: 1_761_543_240_007).appendTime(to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == "05:34:00.007")
    }

    @Test func `the system's clock counts in milliseconds since 1970`() {
        let before = Int64(Date().timeIntervalSince1970 * 1000) - 1
        let now = LogTimestamp.systemNow()
        let after = Int64(Date().timeIntervalSince1970 * 1000) + 1
        #expect(before <= now && now <= after)
    }
}
