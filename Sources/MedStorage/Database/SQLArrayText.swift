// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Arrays for databases that have none: the text of a JSON array, whose elements are numbers, booleans, nulls and strings.
///
/// Bytes are strings of hexadecimal digits after `\x`, as Postgres writes them.
public enum SQLArrayText {
    /// The text of an array.
    ///
    /// - Returns: nil for an array in an array, and for numbers that JSON does not know.
    public static func text(of values: [SQLValue]) -> String? {
        var elements: [String] = []
        for value in values {
            switch value {
            case .null: elements.append("null")
            case .integer(let number): elements.append(String(number))
            case .double(let number):
                guard number.isFinite else { return nil }
                elements.append("\(number)")
            case .boolean(let value): elements.append(value ? "true" : "false")
            case .text(let text), .json(let text): elements.append(Self.quoted(text))
            case .uuid(let uuid): elements.append(Self.quoted(uuid.uuidString.lowercased()))
            case .timestamp(let timestamp): elements.append(Self.quoted(timestamp.description))
            case .blob(let bytes):
                let digits = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
                elements.append(Self.quoted("\\x" + digits.joined()))
            case .array: return nil
            }
        }
        return "[\(elements.joined(separator: ","))]"
    }

    /// The values in the text of an array: integers where a number has no fraction, text for all strings.
    static func values(of text: String) -> [SQLValue]? {
        try? JSONDecoder().decode([Element].self, from: Data(text.utf8)).map(\.value)
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    private struct Element: Decodable {
        let value: SQLValue

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self.value = .null
            } else if let boolean = try? container.decode(Bool.self) {
                self.value = .boolean(boolean)
            } else if let integer = try? container.decode(Int64.self) {
                self.value = .integer(integer)
            } else if let double = try? container.decode(Double.self) {
                self.value = .double(double)
            } else {
                self.value = .text(try container.decode(String.self))
            }
        }
    }
}
