// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Reads the wall clock and the clock that counts from the machine's start, time asleep included.
enum ClockReader {
    static func read() -> ClockWatch.Reading {
        var reading = Self.readOnce()
        // The thread may be stopped between the two: then they are not of one moment. Three times is bad luck enough.
        for _ in 0..<3 where Self.time(CLOCK_BOOTTIME) - reading.steady > .milliseconds(100) {
            reading = Self.readOnce()
        }
        return reading
    }

    private static func readOnce() -> ClockWatch.Reading {
        let steady = Self.time(CLOCK_BOOTTIME)
        return ClockWatch.Reading(wall: Self.time(CLOCK_REALTIME), steady: steady)
    }

    private static func time(_ clock: CInt) -> Duration {
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
