// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How a log line looks: for machines or for people.
public enum LogFormat: String, Sendable, CaseIterable {
    /// One Elastic Common Schema object a line.
    case json
    /// Time, level, message, `key=value`: for a terminal.
    case text
}
