// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension ProbeRequest {
    /// Chooses the form of the answer from the lines of the request's `Accept` (RFC 9110 §12.5.1).
    ///
    /// JSON is what everybody gets who does not ask for something else by name, also one who accepts nothing that there
    /// is. The page is for those who name HTML and like it better, as browsers do. `/status` is the other way round:
    /// HTML, unless JSON is liked better.
    public mutating func accept(_ lines: [String]) {
        // What curl, kubelets and load balancers send.
        guard self.isNegotiable, !lines.isEmpty, lines != ["*/*"] else { return }
        let ranges = lines.flatMap(MediaRange.ranges(in:))
        guard !ranges.isEmpty else { return }

        var best = (format: Format.json, wish: ranges.wish(for: "application", "json"))
        let healthJSON = ranges.wish(for: "application", "health+json")
        if healthJSON > best.wish || (healthJSON == best.wish && healthJSON.isNamed) {
            best = (.healthJSON, healthJSON)
        }
        var html = ranges.wish(for: "text", "html")
        // The page is not XHTML, but who names that is a browser.
        let xhtml = ranges.wish(for: "application", "xhtml+xml")
        if xhtml.isNamed { html = max(html, xhtml) }
        if self.probe == .status {
            if best.wish <= html { best.format = .html }
        } else if html > best.wish, html.isNamed {
            best.format = .html
        }
        self.format = best.format
    }
}

/// How much a client wants a media type.
private struct Wish: Comparable {
    /// In thousandths; 0 is "not at all".
    var quality = 0
    /// Whether the client named the type, and not just a range of types that it is in.
    var isNamed = false

    /// Of two that are wanted alike, the one with a name is the one that was thought of.
    static func < (left: Self, right: Self) -> Bool {
        (left.quality, left.isNamed ? 1 : 0) < (right.quality, right.isNamed ? 1 : 0)
    }
}

extension [MediaRange] {
    /// The most specific range that a type is in decides.
    fileprivate func wish(for type: String, _ subtype: String) -> Wish {
        var wish = Wish()
        var specificity = 0
        for range in self {
            let fit = range.specificity(for: type, subtype)
            guard fit > 0, fit >= specificity else { continue }
            let quality = fit == specificity ? Swift.max(range.quality, wish.quality) : range.quality
            wish = Wish(quality: quality, isNamed: fit >= 3 && quality > 0)
            specificity = fit
        }
        return wish
    }
}

/// An element of `Accept`.
private struct MediaRange {
    private var type = ""
    private var subtype = ""
    private var hasCharset = false
    /// In thousandths.
    private(set) var quality = 1000

    /// The well-formed elements of a line; the others count for nothing.
    static func ranges(in line: String) -> [Self] {
        Self.split(line.utf8[...], at: UInt8(ascii: ",")).compactMap(Self.init)
    }

    private init?(_ element: Substring.UTF8View) {
        let parts = Self.split(element, at: UInt8(ascii: ";"))
        let name = Self.word(parts[0]).split(separator: "/", omittingEmptySubsequences: false)
        guard name.count == 2, !name[0].isEmpty, !name[1].isEmpty else { return nil }
        self.type = String(name[0])
        self.subtype = String(name[1])
        for part in parts.dropFirst() {
            let pair = Self.word(part).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            switch pair[0] {
            case "" where pair.count == 1: break
            case "q":
                guard let quality = pair.count == 2 ? Self.quality(pair[1]) : nil else { return nil }
                self.quality = quality
                // What follows were extensions of the header once, and never parameters of the type.
                return
            case "charset" where pair.count == 2 && (pair[1] == "utf-8" || pair[1] == "\"utf-8\""):
                self.hasCharset = true
            default:
                // A type with a parameter that ours do not have.
                return nil
            }
        }
    }

    /// How closely the range fits a type: 4 by name and character set, 3 by name, 2 by kind, 1 as anything, 0 not at all.
    func specificity(for type: String, _ subtype: String) -> Int {
        if self.type == type {
            return self.subtype == subtype ? (self.hasCharset ? 4 : 3) : self.subtype == "*" ? 2 : 0
        }
        return self.type == "*" && self.subtype == "*" ? 1 : 0
    }

    /// `0`, `0.5`, `1.000`: at most three decimals, at most 1.
    private static func quality(_ text: Substring) -> Int? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts[0] == "0" || parts[0] == "1" else { return nil }
        var thousandths = 0
        if parts.count == 2 {
            guard parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            for digit in (parts[1] + "000").utf8.prefix(3) { thousandths = thousandths * 10 + Int(digit) - 0x30 }
        }
        if parts[0] == "1" { thousandths = thousandths == 0 ? 1000 : 1001 }
        return thousandths <= 1000 ? thousandths : nil
    }

    /// In small letters and without the space around it; types, subtypes, parameter names and character sets know no case.
    private static func word(_ bytes: Substring.UTF8View) -> Substring {
        let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var rest = bytes.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest.removeLast() }
        return Substring(Substring(rest).lowercased())
    }

    /// Splits where the separator is not in a quoted string.
    private static func split(_ bytes: Substring.UTF8View, at separator: UInt8) -> [Substring.UTF8View] {
        var parts: [Substring.UTF8View] = []
        var start = bytes.startIndex
        var isQuoted = false
        var isEscaped = false
        for index in bytes.indices {
            let byte = bytes[index]
            if isEscaped {
                isEscaped = false
            } else if isQuoted, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if byte == separator, !isQuoted {
                parts.append(bytes[start..<index])
                start = bytes.index(after: index)
            }
        }
        parts.append(bytes[start...])
        return parts
    }
}
