// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How spans and log records gather before they are sent.
public struct OTLPBatching: Sendable, Equatable {
    /// How long they wait for others.
    public var delay: Duration
    /// How many wait at most; what is more is dropped.
    public var queueLimit: Int
    /// How many go in one request at most.
    public var batchLimit: Int
    /// How long it is tried to send them, pauses that the collector asks for not counted.
    public var exportTimeout: Duration

    /// How things gather.
    public init(
        delay: Duration, queueLimit: Int = 2048, batchLimit: Int = 512, exportTimeout: Duration = .seconds(30)
    ) {
        self.delay = delay
        self.queueLimit = queueLimit
        self.batchLimit = batchLimit
        self.exportTimeout = exportTimeout
    }
}
