// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A value of an attribute, or the body of a log record (`AnyValue` of OTLP).
public indirect enum OTLPValue: Sendable, Hashable {
    case string(String)
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case bytes([UInt8])
    case array([OTLPValue])
    case map([OTLPAttribute])

    /// About how many bytes of memory it takes.
    var size: Int {
        switch self {
        case .string(let text): 16 + text.utf8.count
        case .bool, .int, .double: 16
        case .bytes(let bytes): 16 + bytes.count
        case .array(let values): values.reduce(32) { $0 + $1.size }
        case .map(let attributes): attributes.reduce(32) { $0 + $1.size }
        }
    }
}

extension OTLPValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
}
