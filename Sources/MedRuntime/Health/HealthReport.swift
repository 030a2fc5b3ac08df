// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What one run of a check found.
public struct HealthReport: Sendable, Equatable {
    /// A value in a check's object in the body of `/health`.
    public enum Value: Sendable, Equatable {
        case string(String)
        case integer(Int)
        case boolean(Bool)
        case null
    }

    /// What the finding does to the whole.
    public var status: HealthStatus
    /// The check's object in the body of `/health`, in this order. No host name, path, SQL or PHI belongs in it.
    public var details: [(name: String, value: Value)]
    /// Why it is not healthy, for the log alone: a sentence without PHI or secrets.
    public var reason: String?
    /// Why it is not healthy, for people who look at the server from outside, except in production: a sentence without
    /// host name, path, SQL or PHI.
    public var summary: String?

    /// Creates a report.
    public init(
        status: HealthStatus,
        details: [(name: String, value: Value)] = [],
        reason: String? = nil,
        summary: String? = nil
    ) {
        self.status = status
        self.details = details
        self.reason = reason
        self.summary = summary
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.status == right.status && left.reason == right.reason && left.summary == right.summary
            && left.details.elementsEqual(right.details) { $0.name == $1.name && $0.value == $1.value }
    }
}
