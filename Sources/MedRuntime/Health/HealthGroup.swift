// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Some of the checks under one address, `/health/NAME`, with rules of their own: what a load balancer of one kind, or
/// one team, wants to know.
public struct HealthGroup: Sendable {
    /// The last part of the path. Letters, digits, `-`, `_` and `.`.
    public var name: String
    /// The names of its checks, in the order in which they are shown.
    public var checks: [String]
    /// Those of them without which the group is unhealthy, whatever they mean for the whole. The others can make it
    /// degraded at most. A name that is no check counts as down.
    public var required: Set<String>
    /// Whether degraded is answered with 503 too.
    public var isStrict: Bool

    /// Creates a group; see the properties for what each value means.
    public init(_ name: String, checks: [String], required: Set<String> = [], isStrict: Bool = false) {
        self.name = name
        self.checks = checks
        self.required = required
        self.isStrict = isStrict
    }
}
