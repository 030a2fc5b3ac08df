// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Decides which traces are recorded, by what the caller decided and by the trace's identifier alone, so that all
/// services of a trace decide alike (OpenTelemetry, "Sampler").
public struct TraceSampler: Sendable, Equatable {
    /// Who decides about traces that come from another service.
    public enum Rule: Sendable, Equatable {
        /// The other service.
        case parent
        /// This one, every time anew.
        case own
    }

    /// The share of traces, 0...1.
    public let ratio: Double
    /// Who decides about traces that come from another service.
    public let rule: Rule
    /// The smallest number of the right 56 bits of an identifier that is recorded.
    private let threshold: UInt64

    /// Records this share of traces.
    ///
    /// - Parameter ratio: 0...1; what is outside counts as the nearest, and what is no number as 1.
    public init(ratio: Double, rule: Rule = .parent) {
        let ratio = ratio.isNaN ? 1 : min(max(ratio, 0), 1)
        self.ratio = ratio
        self.rule = rule
        self.threshold = UInt64(((1 - ratio) * 0x1p56).rounded())
    }

    /// `parentbased_always_on`: every trace, unless the caller does not record it.
    public static let parentBasedAlwaysOn = TraceSampler(ratio: 1)
    /// `always_on`: every trace.
    public static let alwaysOn = TraceSampler(ratio: 1, rule: .own)
    /// `always_off`: none.
    public static let alwaysOff = TraceSampler(ratio: 0, rule: .own)

    /// Whether the spans that this process adds to a trace are recorded.
    ///
    /// - Parameter parent: the span of the caller, if there is one.
    public func samples(_ traceID: TraceID, parent: TraceContext?) -> Bool {
        if self.rule == .parent, let parent { return parent.isSampled }
        // "TraceState: Probability Sampling" of OpenTelemetry: the randomness against the threshold of rejection.
        return traceID.low & 0x00ff_ffff_ffff_ffff >= self.threshold
    }
}
