// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Whose SQL a statement is written in, where the two differ.
public enum SQLDialect: String, Sendable, CaseIterable {
    /// SQLite's.
    case sqlite
    /// PostgreSQL's.
    case postgres
}
