// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage

/// Time limits of a session. Each is set only where the server has its own default: what an administrator, or the URL, has set stays.
public struct PostgresLimits: Sendable, Equatable {
    /// How long a statement may take (`statement_timeout`). Default: 30 seconds.
    public var statement: Duration
    /// How long a statement waits for a lock (`lock_timeout`). Default: 10 seconds.
    public var lock: Duration
    /// How long a transaction may do nothing (`idle_in_transaction_session_timeout`). Default: 60 seconds.
    public var idleInTransaction: Duration
    /// How long a host may take to let us in, unless the URL has a `connect_timeout`. Default: 2 seconds.
    public var connect: Duration

    /// How much longer than the server a client waits: then it is not the statement that takes long.
    static let leeway = Duration.seconds(5)

    /// Limits, each with its default.
    public init(
        statement: Duration = .seconds(30),
        lock: Duration = .seconds(10),
        idleInTransaction: Duration = .seconds(60),
        connect: Duration = .seconds(2)
    ) {
        self.statement = statement
        self.lock = lock
        self.idleInTransaction = idleInTransaction
        self.connect = connect
    }

    /// How long a client waits for a statement: longer than the server does, whose limit may be another than ours.
    ///
    /// - Parameter serverSet: the `statement_timeout` in milliseconds that somebody has set there; null if nobody has.
    func clientLimit(serverSet: SQLValue?) -> Duration {
        switch serverSet {
        // No limit at all: a day is none for a client either.
        case .integer(0): .seconds(86_400)
        case .integer(let milliseconds): .milliseconds(milliseconds) + Self.leeway
        default: self.statement + Self.leeway
        }
    }

    /// The server's settings, in its milliseconds.
    var settings: [(name: String, value: String)] {
        [
            ("statement_timeout", self.statement), ("lock_timeout", self.lock),
            ("idle_in_transaction_session_timeout", self.idleInTransaction),
        ].map { ($0.0, String(Int($0.1 / .milliseconds(1)))) }
    }
}
