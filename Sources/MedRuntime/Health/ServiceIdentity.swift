// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Who answers, for the status page and for `application/health+json`. No host name belongs in it.
public struct ServiceIdentity: Sendable, Equatable {
    /// What people call it.
    public var name: String
    /// The version of the program, as the page shows it, and the `releaseId` of `application/health+json`.
    public var release: String?
    /// The version of the API that it offers, which changes less often.
    public var version: String?
    /// The `serviceId` of `application/health+json`: the same for every instance.
    public var serviceID: String?
    /// Which of several instances this is.
    public var instance: String?
    /// A sentence on what it is.
    public var description: String?

    /// Describes a service; what is nil is not shown.
    public init(
        name: String = "MedBuilder",
        release: String? = nil,
        version: String? = nil,
        serviceID: String? = nil,
        instance: String? = nil,
        description: String? = nil
    ) {
        self.name = name
        self.release = release
        self.version = version
        self.serviceID = serviceID
        self.instance = instance
        self.description = description
    }
}
