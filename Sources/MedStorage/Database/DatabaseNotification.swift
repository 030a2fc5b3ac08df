// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What somebody who listens on a channel hears.
public enum DatabaseNotification: Sendable, Equatable {
    /// A transaction has sent this, and has committed.
    case message(String)
    /// Something may have been missed, or nobody would say: look for yourself. It is the first thing that everybody hears.
    case gap
}
