// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How many connections a ``ConnectionPool`` has, and for how long.
public struct PoolConfiguration: Sendable, Equatable {
    /// How many are kept, used or not. Default: 1.
    public var minimum: Int
    /// How many there are at most. Default: 6.
    public var maximum: Int
    /// How long somebody waits for one. Default: 5 seconds.
    public var acquireTimeout: Duration
    /// After how long an unused one is given up, unless it is one of the minimum. Default: 5 minutes.
    public var idleTimeout: Duration
    /// After how long one is replaced, so that none outlives a change of the server for long; each a tenth sooner at most, so that they do
    /// not all go at once. Default: 30 minutes.
    public var maximumLifetime: Duration
    /// After how long without use one is asked whether it is still there before it is given out. Default: 10 seconds.
    public var pingAfterIdle: Duration
    /// The longest pause between two attempts to connect. Default: 1 second.
    public var longestPause: Duration

    /// What a process holds: the pool's, one for the health check and one to listen on. Eleven of them, ten replicas and one that an update
    /// has just started, fit into the 97 connections that PostgreSQL has for us by default (`max_connections` 100, three reserved).
    public var connectionsPerProcess: Int { self.maximum + 2 }

    /// A configuration, each part with its default.
    public init(
        minimum: Int = 1,
        maximum: Int = 6,
        acquireTimeout: Duration = .seconds(5),
        idleTimeout: Duration = .seconds(300),
        maximumLifetime: Duration = .seconds(1800),
        pingAfterIdle: Duration = .seconds(10),
        longestPause: Duration = .seconds(1)
    ) {
        self.minimum = minimum
        self.maximum = maximum
        self.acquireTimeout = acquireTimeout
        self.idleTimeout = idleTimeout
        self.maximumLifetime = maximumLifetime
        self.pingAfterIdle = pingAfterIdle
        self.longestPause = longestPause
    }
}
