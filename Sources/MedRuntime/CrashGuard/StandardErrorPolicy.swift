// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What becomes of what is written to standard error, such as the message of `fatalError`, which could hold PHI.
public enum StandardErrorPolicy: Sendable {
    /// Each line becomes a log record.
    case logged
    /// Each line becomes a log record that says only how long it was.
    case withheld
    /// It stays where it is.
    case untouched
}
