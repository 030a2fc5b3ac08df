// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Until when the next bytes of a request's body must come.
///
/// A pause may be as long as the timeout; and the whole must come at no less than ``slowestRate``, after a first
/// allowance of one timeout, or a byte every now and then would hold a connection for days. Time in which the server
/// itself did not read does not count.
struct BodyPace {
    /// Bytes a second. ASP.NET Core's Kestrel has the same.
    static let slowestRate = 240

    private let timeout: TimeAmount
    private var began: NIODeadline
    private var lastProgress: NIODeadline
    private var heldSince: NIODeadline?
    private var received = 0

    init(timeout: TimeAmount, now: NIODeadline) {
        self.timeout = timeout
        self.began = now
        self.lastProgress = now
    }

    /// When the client's time is over; nil while the server does not read.
    var deadline: NIODeadline? {
        guard self.heldSince == nil else { return nil }
        let seconds = Double(self.received) / Double(Self.slowestRate)
        let earned = self.timeout + .nanoseconds(Int64(min(seconds, 1e6) * 1e9))
        return min(self.began + earned, self.lastProgress + self.timeout)
    }

    mutating func receive(_ count: Int, now: NIODeadline) {
        self.received += count
        self.lastProgress = now
    }

    /// The server stops reading.
    mutating func hold(now: NIODeadline) {
        if self.heldSince == nil { self.heldSince = now }
    }

    /// The server reads again.
    mutating func resume(now: NIODeadline) {
        guard let heldSince else { return }
        self.began = self.began + (now - heldSince)
        self.lastProgress = now
        self.heldSince = nil
    }
}
