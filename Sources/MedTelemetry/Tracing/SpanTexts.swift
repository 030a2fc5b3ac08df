// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Tracing

/// Turns what was said about a span into what is exported: every text is scrubbed, then cut.
struct SpanTexts: Sendable {
    let redact: @Sendable (String) -> String

    /// Scrubbed before it is cut: half a secret is no longer recognised as one.
    func text(_ text: String) -> String { SpanLimits.cut(self.redact(text)) }

    /// The attributes, sorted by name, and how many did not fit.
    func attributes(_ attributes: SpanAttributes) -> (kept: [OTLPAttribute], dropped: Int) {
        guard !attributes.isEmpty else { return ([], 0) }
        var all: [(String, SpanAttribute)] = []
        all.reserveCapacity(attributes.count)
        attributes.forEach { all.append(($0, $1)) }
        all.sort { $0.0 < $1.0 }
        let kept = all.prefix(SpanLimits.attributes).map { OTLPAttribute(SpanLimits.cut($0), self.value($1)) }
        return (kept, all.count - kept.count)
    }

    /// About how many bytes of memory the attributes take.
    static func size(_ attributes: SpanAttributes) -> Int {
        var size = 0
        attributes.forEach { name, value in
            size += 64 + name.utf8.count
            switch value {
            case .string(let text): size += text.utf8.count
            case .stringArray(let texts): for text in texts { size += 16 + text.utf8.count }
            case .int64Array(let numbers): size += 8 * numbers.count
            case .doubleArray(let numbers): size += 8 * numbers.count
            case .int32Array(let numbers): size += 4 * numbers.count
            case .boolArray(let values): size += values.count
            default: break
            }
        }
        return size
    }

    private func value(_ attribute: SpanAttribute) -> OTLPValue {
        switch attribute {
        case .int32(let value): .int(Int64(value))
        case .int64(let value): .int(value)
        case .double(let value): .double(value)
        case .bool(let value): .bool(value)
        case .string(let value): .string(self.text(value))
        case .stringConvertible(let value): .string(self.text("\(value)"))
        case .int32Array(let values): .array(values.prefix(SpanLimits.attributes).map { .int(Int64($0)) })
        case .int64Array(let values): .array(values.prefix(SpanLimits.attributes).map { .int($0) })
        case .doubleArray(let values): .array(values.prefix(SpanLimits.attributes).map { .double($0) })
        case .boolArray(let values): .array(values.prefix(SpanLimits.attributes).map { .bool($0) })
        case .stringArray(let values): .array(values.prefix(SpanLimits.attributes).map { .string(self.text($0)) })
        case .stringConvertibleArray(let values):
            .array(values.prefix(SpanLimits.attributes).map { .string(self.text("\($0)")) })
        default: .string("")
        }
    }
}
