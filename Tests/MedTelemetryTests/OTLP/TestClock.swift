// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

@testable import MedTelemetry

/// A clock on which every pause is over at once, but for those of an hour and more, which never end.
final class TestClock: Sendable {
    /// A pause that never ends.
    static let never = Duration.seconds(3600)
    /// 2024-01-01T00:00:00Z.
    static let wallNow: UInt64 = 1_704_067_200_000_000_000

    private let state = Mutex<(now: Duration, pauses: [Duration])>((.zero, []))

    /// A clock on which no pause ends.
    static let stopped = TelemetryClock(
        sleep: { _ in try await Task.sleep(for: .seconds(1_000_000)) }, now: { .zero }, wallNow: { TestClock.wallNow })

    /// The pauses that are over.
    var pauses: [Duration] { self.state.withLock { $0.pauses } }

    var clock: TelemetryClock {
        TelemetryClock(
            sleep: { pause in
                guard pause < Self.never else { return try await Task.sleep(for: .seconds(1_000_000)) }
                self.state.withLock { state in
                    state.now += pause
                    state.pauses.append(pause)
                }
            },
            now: { self.state.withLock { $0.now } },
            wallNow: { Self.wallNow })
    }
}
