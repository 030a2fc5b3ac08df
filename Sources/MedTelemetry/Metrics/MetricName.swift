// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What names look like on a page: as they are where the scraper says that it takes UTF-8 (Prometheus 3,
/// `escaping=allow-utf-8`), else with `_` for whatever Prometheus 2 does not take in a name.
enum MetricName {
    /// How names that are not of the old alphabet are written.
    enum Escaping: Hashable, Sendable, CaseIterable {
        case underscores
        case allowUTF8
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, without the colon for labels (Prometheus, "Data model").
    static func isPlain(_ name: String, colons: Bool = true) -> Bool {
        guard let first = name.utf8.first, !self.isDigit(first) else { return false }
        return name.utf8.allSatisfy { self.isLetter($0) || self.isDigit($0) || (colons && $0 == UInt8(ascii: ":")) }
    }

    /// The name with `_` for each character that is not of the old alphabet, or is a digit at the beginning
    /// (Prometheus, "Escaping schemes").
    static func underscored(_ name: String, colons: Bool = true) -> String {
        guard !self.isPlain(name, colons: colons) else { return name }
        var text = ""
        for scalar in name.unicodeScalars {
            let byte = UInt8(exactly: scalar.value) ?? 0
            let isTaken =
                self.isLetter(byte) || (self.isDigit(byte) && !text.isEmpty) || (colons && byte == UInt8(ascii: ":"))
            text.unicodeScalars.append(isTaken ? scalar : "_")
        }
        return text
    }

    /// Whether a label of that name would be taken for one of ours or of Prometheus' own: `le` tells buckets apart,
    /// `overflow` marks the series for what is too much, and `__` begins what Prometheus keeps for itself ("Data
    /// model").
    static func isReserved(label: String) -> Bool {
        label == "le" || label == "overflow" || self.underscored(label, colons: false).hasPrefix("__")
    }

    /// Whether it is a name at all.
    static func isValid(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= self.maxLength
            && !name.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }

    /// The longest name, in bytes of UTF-8.
    static let maxLength = 256

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
