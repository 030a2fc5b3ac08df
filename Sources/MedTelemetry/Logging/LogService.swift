// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Who is logging: the fields that tell the lines of one service, version and replica from all others.
public struct LogService: Sendable {
    /// `service.name`; the data set of the log, unless a record names another, is `<name>.log`.
    public let name: String
    /// `service.version`.
    public let version: String
    /// `service.environment`.
    public let environment: String
    /// `service.node.name`: this replica. Left out of the line when `nil`.
    public let instanceID: String?

    /// Describes the service that logs.
    public init(name: String, version: String, environment: String, instanceID: String? = nil) {
        self.name = name
        self.version = version
        self.environment = environment
        self.instanceID = instanceID
    }
}
