// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Notices that the wall clock was set: that it went on by another amount than a clock that nobody can set.
///
/// Certificates, tokens and audit records depend on the wall clock. What slows or speeds it up little by little, as NTP
/// does, moves both clocks alike; so do a machine that sleeps and a leap second, which is below the limit. A virtual machine
/// that was paused and whose clock is put right afterwards has had a jump.
struct ClockWatch: Sendable {
    /// Both clocks at one moment.
    struct Reading: Sendable, Equatable {
        /// Since 1970.
        var wall: Duration
        /// Since the machine was started, or any other moment.
        var steady: Duration
    }

    /// What is to be said about the wall clock.
    struct Finding: Sendable, Equatable {
        /// The last jump, in whole seconds, negative if it went back; 0 if there was none for a while.
        var jump: Int
        /// Whether it shows a time before this software existed.
        var isBeforeBuild: Bool
    }

    /// By how much the clocks may differ between two readings.
    static let tolerance = Duration.seconds(5)
    /// For how long a jump is shown.
    static let memory = Duration.seconds(600)
    /// The beginning of 2025.
    static let build = Duration.seconds(1_735_689_600)

    private var last: Reading?
    private var jump: (seconds: Int, at: Duration)?

    init() {}

    /// Takes a reading that is newer than the ones before.
    mutating func observe(_ reading: Reading) -> Finding {
        if let last = self.last {
            let difference = (reading.wall - last.wall) - (reading.steady - last.steady)
            if difference > Self.tolerance || difference < .zero - Self.tolerance {
                // To the nearest second, and half a one away from 0.
                let half = Duration.milliseconds(difference < .zero ? -500 : 500)
                self.jump = (Int((difference + half).components.seconds), reading.steady)
            }
        }
        self.last = reading
        if let jump = self.jump, reading.steady - jump.at >= Self.memory { self.jump = nil }
        return Finding(jump: self.jump?.seconds ?? 0, isBeforeBuild: reading.wall < Self.build)
    }
}
