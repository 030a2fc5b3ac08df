// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A value of a YAML or JSON document, for tests that look here and there in it.
enum DocumentValue: Decodable {
    case object([String: DocumentValue])
    case array([DocumentValue])
    case string(String)
    case bool(Bool)
    case number(Double)
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([DocumentValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: DocumentValue].self))
        }
    }

    subscript(_ key: String) -> DocumentValue? { self.object?[key] }

    var object: [String: DocumentValue]? { if case .object(let value) = self { value } else { nil } }
    var string: String? { if case .string(let value) = self { value } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// A whole number.
    var number: Int? { if case .number(let value) = self { Int(value) } else { nil } }
    /// The texts of an array.
    var strings: [String] { if case .array(let values) = self { values.compactMap(\.string) } else { [] } }
}
