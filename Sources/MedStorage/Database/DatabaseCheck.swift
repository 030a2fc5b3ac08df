// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How the database was at its last check.
public struct DatabaseCheck: Sendable, Equatable {
    /// The answer in one word.
    public let status: DatabaseStatus
    /// How long the database took to answer; nil when there was nobody to ask.
    public let responseTime: Duration?
    /// Why it is not connected, where something is known to be wrong.
    public let problem: DatabaseError?

    /// An answer as a driver found it.
    public init(status: DatabaseStatus, responseTime: Duration?, problem: DatabaseError? = nil) {
        self.status = status
        self.responseTime = responseTime
        self.problem = problem
    }
}

/// Whether the database can be used, in the words of `/health`.
public enum DatabaseStatus: String, Sendable {
    /// The last check worked.
    case connected
    /// It cannot be reached: not up, not found, or this server is starting or stopping.
    case disconnected
    /// It was reached, and something is wrong with it.
    case error
}
