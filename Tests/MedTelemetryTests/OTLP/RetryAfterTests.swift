// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct RetryAfterTests {
    @Test func `a date is read in the three forms of HTTP`() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            #expect(RetryAfter.date(text) == 784_111_777, "\(text)")
        }
        #expect(RetryAfter.date("Thu, 29 Feb 2024 23:59:60 GMT") == 1_709_251_200)
        #expect(RetryAfter.date("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
    }

    @Test func `what is no date is none`() {
        for text in [
            "", "soon", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 25:00:00 GMT",
            "Sun, 32 Nov 1994 00:00:00 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT", "1 2 3 4 5 6 7", "-5", "1.5", "٣",
        ] {
            #expect(RetryAfter.pause(text, wallNow: 0) == nil, "\(text)")
        }
    }

    @Test func `a pause is never negative and never endless`() {
        #expect(RetryAfter.pause("12", wallNow: 0) == .seconds(12))
        #expect(RetryAfter.pause("99999999999999999999999", wallNow: 0) == .seconds(600))
        #expect(RetryAfter.pause("Thu, 01 Jan 1970 00:00:00 GMT", wallNow: 5_000_000_000) == .zero)
        #expect(RetryAfter.pause("Thu, 01 Jan 1970 00:00:05 GMT", wallNow: 1_000_000_000) == .seconds(4))
    }
}
