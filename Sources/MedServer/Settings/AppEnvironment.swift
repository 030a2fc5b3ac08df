// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Where the server runs, which decides how much it takes for granted.
///
/// In ``development`` and ``test`` everything has a default. ``staging`` and ``production`` demand that whatever
/// protects data is said explicitly, and refuse to start otherwise.
public enum AppEnvironment: String, Sendable, CaseIterable {
    case development, test, staging, production

    /// Whether real data may be here: the database and the PHI key have no defaults then.
    public var isDeployed: Bool { self == .staging || self == .production }
}
