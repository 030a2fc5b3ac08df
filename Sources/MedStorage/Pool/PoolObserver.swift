// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Hears what happens in a ``ConnectionPool``, for metrics. Called on any thread, outside of the pool's lock; it must not block.
public protocol PoolObserver: Sendable {
    /// Somebody got a connection, after that time.
    func acquired(after wait: Duration)
    /// Somebody got none.
    func acquireFailed(_ error: DatabaseError)
    /// A connection was made.
    func connected()
    /// One could not be made.
    func connectFailed(_ error: DatabaseError)
    /// One was given up.
    func closed()
}

/// How a ``ConnectionPool`` is at a moment.
public struct PoolStatistics: Sendable, Equatable {
    /// Connections that somebody uses.
    public var busy = 0
    /// Connections that nobody uses.
    public var idle = 0
    /// Connections that are being made.
    public var connecting = 0
    /// Who waits for one.
    public var waiting = 0
    /// For how long somebody has been waiting while nothing was given out, given back or made; zero if nobody waits.
    public var stalledFor = Duration.zero

    /// A pool that has nothing.
    public init() {}
}
