// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One step of the schema, from the version before it to its own.
///
/// Once released it never changes: databases out there remember its ``checksum(for:)``. What it got wrong, the next one puts right.
public struct Migration: Sendable {
    /// Its place in the sequence, counted from 1, and the schema's version after it.
    public let version: Int
    /// What it is called in tables and messages.
    public let name: String
    private let sqlite: [String]
    private let postgres: [String]
    /// Whether its statements run in one transaction. Only Postgres has statements that cannot, such as `CREATE INDEX CONCURRENTLY`; what
    /// fails half-way is then tried again from the first statement, so each has to be repeatable.
    public let isTransactional: Bool
    /// The oldest program, by the version of its plan, that still works with the database after this step.
    ///
    /// It is what lets the old replicas of a rolling update go on beside the first new one.
    public let minCompatible: Int

    /// Describes a step in both languages. By default, no older program works with its result.
    public init(
        version: Int,
        name: String,
        sqlite: [String],
        postgres: [String],
        minCompatible: Int? = nil,
        isTransactional: Bool = true
    ) {
        self.version = version
        self.name = name
        self.sqlite = sqlite
        self.postgres = postgres
        self.minCompatible = minCompatible ?? version
        self.isTransactional = isTransactional
    }

    /// Describes a step whose statements every database understands.
    public init(version: Int, name: String, statements: [String], minCompatible: Int? = nil) {
        self.init(
            version: version, name: name, sqlite: statements, postgres: statements, minCompatible: minCompatible)
    }

    /// The statements, run in this order.
    public func statements(for dialect: SQLDialect) -> [String] {
        switch dialect {
        case .sqlite: self.sqlite
        case .postgres: self.postgres
        }
    }

    /// A fingerprint of the step: FNV-1a over its name and statements. It is against accidents, not against forgers.
    public func checksum(for dialect: SQLDialect) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for part in [self.name] + self.statements(for: dialect) {
            // A zero byte after each part, so that moving text from one to the next changes the sum.
            for byte in Array(part.utf8) + [0] {
                hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
