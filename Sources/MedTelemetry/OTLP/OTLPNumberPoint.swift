// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The value of one series of a gauge or a sum (`NumberDataPoint`).
public struct OTLPNumberPoint: Sendable, Equatable {
    public var attributes: [OTLPAttribute]
    /// Since when it is counted, in nanoseconds since 1970; 0 for a gauge.
    public var start: UInt64
    /// In nanoseconds since 1970.
    public var time: UInt64
    public var value: OTLPNumber
    public var exemplars: [OTLPExemplar]

    /// A value.
    public init(
        attributes: [OTLPAttribute], start: UInt64, time: UInt64, value: OTLPNumber, exemplars: [OTLPExemplar] = []
    ) {
        self.attributes = attributes
        self.start = start
        self.time = time
        self.value = value
        self.exemplars = exemplars
    }
}
