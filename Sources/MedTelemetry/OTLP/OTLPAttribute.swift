// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A name and its value (`KeyValue` of OTLP). In a list of them every name should be there once.
public struct OTLPAttribute: Sendable, Hashable {
    /// The name, by the semantic conventions of OpenTelemetry where they have one.
    public var key: String
    /// The value.
    public var value: OTLPValue

    /// An attribute.
    public init(_ key: String, _ value: OTLPValue) {
        self.key = key
        self.value = value
    }

    /// About how many bytes of memory it takes.
    var size: Int { 16 + self.key.utf8.count + self.value.size }
}
