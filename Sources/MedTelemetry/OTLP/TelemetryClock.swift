// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Tracing

/// The time, as the exporter needs it; tests have their own.
struct TelemetryClock: Sendable {
    /// Waits, or throws when the task is cancelled.
    var sleep: @Sendable (Duration) async throws -> Void
    /// Time that only goes forward, from any beginning.
    var now: @Sendable () -> Duration
    /// In nanoseconds since 1970.
    var wallNow: @Sendable () -> UInt64

    static var system: TelemetryClock {
        let beginning = ContinuousClock.now
        return TelemetryClock(
            sleep: { try await Task.sleep(for: $0) },
            now: { ContinuousClock.now - beginning },
            wallNow: { DefaultTracerClock.now.nanosecondsSinceEpoch })
    }
}
