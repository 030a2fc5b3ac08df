// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What became of one request of a ``Load``: the last result that its client got.
package struct LoadSample: Sendable, Equatable {
    /// How a request ended.
    package enum Fate: Sendable, Hashable {
        /// A whole answer.
        case answered(UInt16)
        /// Nobody listened.
        case refused
        /// The connection ended before a single byte of the answer.
        case closed
        /// The answer began, and the connection ended before the answer did.
        case cut
        /// What came is no answer, or more than one.
        case malformed
        /// No answer within the patience of the client.
        case missing

        /// Whether the client has what it asked for.
        package var isSuccess: Bool {
            if case .answered(200..<300) = self { true } else { false }
        }
    }

    /// Its number, from 0. A write carries it into the database.
    package var sequence: UInt32
    /// When it was due, in milliseconds since the start of the load.
    package var due: UInt32
    /// From when it was due until its end, in microseconds: what waited for a free connection has waited.
    package var latency: UInt32
    package var fate: Fate
    /// Whether it was a `POST` that writes, and not a `GET` that reads.
    package var isWrite: Bool
    /// Whether the client sent it a second time, since a kept connection was closed before any byte of an answer.
    package var wasRetried: Bool

    package init(
        sequence: UInt32, due: UInt32, latency: UInt32, fate: Fate, isWrite: Bool = false, wasRetried: Bool = false
    ) {
        self.sequence = sequence
        self.due = due
        self.latency = latency
        self.fate = fate
        self.isWrite = isWrite
        self.wasRetried = wasRetried
    }

    /// When it was due, in seconds since the start of the load.
    var start: Double { Double(self.due) / 1000 }

    /// When it ended, but at most a second after it was due.
    var moment: Double { self.start + min(Double(self.latency) / 1_000_000, 1) }

    /// When it ended, in seconds since the start of the load.
    package var end: Double { Double(self.due) / 1000 + Double(self.latency) / 1_000_000 }
}
