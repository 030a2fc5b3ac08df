// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The trace in which one observation of many was made, so that a slow bucket leads to a slow request (OpenMetrics 1.0,
/// "Exemplars").
public struct Exemplar: Sendable, Equatable {
    /// The trace, 32 hexadecimal digits.
    public let traceID: String
    /// The span, 16 hexadecimal digits.
    public let spanID: String
    /// When it was observed, in milliseconds since 1970.
    public let time: Int64
    /// What was observed; the histogram knows it.
    public internal(set) var value = 0.0

    /// A trace, for an observation that is being made.
    public init(traceID: String, spanID: String, time: Int64) {
        self.traceID = traceID
        self.spanID = spanID
        self.time = time
    }

    /// Whether the ids are ids (W3C Trace Context): anything longer would make a page invalid, which has room for 128
    /// characters.
    var isUsable: Bool {
        func isHex(_ text: String, _ length: Int) -> Bool {
            let text = text.utf8
            return text.count == length
                && text.allSatisfy {
                    ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9"))
                        || ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "f"))
                }
        }
        return isHex(self.traceID, 32) && isHex(self.spanID, 16)
    }
}
