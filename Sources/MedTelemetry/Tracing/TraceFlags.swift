// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The flags that travel with a trace (W3C Trace Context Level 2, section 3.2.2.5).
public struct TraceFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Whoever calls has recorded the trace and expects the same of us.
    public static let sampled = TraceFlags(rawValue: 1)
    /// The right 7 bytes of the trace's identifier are random, so that a decision by them is a fair one.
    public static let random = TraceFlags(rawValue: 2)
    /// What is passed on. Other flags have no meaning yet and are set to zero.
    static let known: TraceFlags = [.sampled, .random]
}
