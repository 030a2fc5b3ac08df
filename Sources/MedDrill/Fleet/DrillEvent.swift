// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What was seen of one replica at one moment.
public struct DrillEvent: Sendable, Equatable {
    /// How it is.
    public enum State: String, Sendable, CaseIterable {
        /// Its process runs, and does not answer yet, or no more.
        case silent
        /// `/ready` is 200.
        case ready
        /// `/ready` is something else.
        case unready = "not ready"
        /// There is no process.
        case gone
    }

    /// Seconds since the start of the load.
    public var time: Double
    /// Which place.
    public var slot: Int
    public var state: State
    /// How its process ended, with ``State/gone``.
    public var exit: String?
}
