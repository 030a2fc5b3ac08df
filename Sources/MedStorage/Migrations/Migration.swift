// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One step of the schema, from the version before it to its own.
///
/// Once released it never changes: databases out there remember its ``checksum``. What it got wrong, the next one puts right.
public struct Migration: Sendable {
    /// Its place in the sequence, counted from 1, and the schema's version after it.
    public let version: Int
    /// What it is called in tables and messages.
    public let name: String
    /// The statements, run in this order in one transaction.
    public let statements: [String]
    /// The oldest program, by the version of its plan, that still works with the database after this step.
    ///
    /// It is what lets the old replicas of a rolling update go on beside the first new one.
    public let minCompatible: Int

    /// Describes a step. By default, no older program works with its result.
    public init(version: Int, name: String, statements: [String], minCompatible: Int? = nil) {
        self.version = version
        self.name = name
        self.statements = statements
        self.minCompatible = minCompatible ?? version
    }

    /// A fingerprint of the step: FNV-1a over its name and statements. It is against accidents, not against forgers.
    public var checksum: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for part in [self.name] + self.statements {
            // A zero byte after each part, so that moving text from one to the next changes the sum.
            for byte in Array(part.utf8) + [0] {
                hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
