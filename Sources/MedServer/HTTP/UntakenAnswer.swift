// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Since when a client has taken nothing of what was written to it.
struct UntakenAnswer {
    /// Nil while nothing is on its way.
    private(set) var since: NIODeadline?
    private var writes = 0
    /// What the channel had not got rid of when it was last looked at.
    private var buffered: Int?

    mutating func began(now: NIODeadline) {
        self.writes += 1
        if self.since == nil { self.since = now }
    }

    /// One write has left, or failed.
    mutating func ended(now: NIODeadline) {
        self.writes -= 1
        self.since = self.writes > 0 ? now : nil
        self.buffered = nil
    }

    /// Looks whether at least a part of a write has left since the last look; if so, the time begins anew.
    mutating func hasMoved(in channel: any Channel, now: NIODeadline) -> Bool {
        let buffered = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        defer { self.buffered = buffered }
        guard let before = self.buffered, before <= buffered else {
            self.since = now
            return true
        }
        return false
    }
}
