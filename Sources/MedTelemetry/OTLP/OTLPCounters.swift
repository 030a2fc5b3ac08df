// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What has become of the items of one signal: spans, log records, or points of metrics.
public struct OTLPCounters: Sendable, Equatable {
    /// Items that a collector has taken.
    public var exported = 0
    /// Items that are lost: no room, too large, refused, given up.
    public var dropped = 0
    /// Requests that a collector has taken.
    public var exportedBatches = 0
    /// Requests that were refused or given up.
    public var failedBatches = 0
    /// Requests that were sent once more.
    public var retries = 0
    /// Requests that were put into the spool.
    public var spooledBatches = 0
    /// Why a request was not taken, the last time that one was not.
    public var lastFailure: OTLPFailure?
    /// How many of ``dropped`` were lost for which reason.
    public var losses: [OTLPFailure: Int] = [:]

    /// Counts items that are lost.
    mutating func drop(_ count: Int, because reason: OTLPFailure?) {
        guard count > 0 else { return }
        self.dropped += count
        if let reason { self.losses[reason, default: 0] += count }
    }
}
