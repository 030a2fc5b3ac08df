// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a migration run did.
public struct MigrationReport: Sendable, Equatable {
    /// How many steps this run applied; zero when there was nothing to do.
    public let applied: Int
    /// The version of the schema now.
    public let version: Int

    /// A run as a driver did it.
    public init(applied: Int, version: Int) {
        self.applied = applied
        self.version = version
    }
}
