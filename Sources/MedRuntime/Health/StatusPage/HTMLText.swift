// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// HTML as bytes. Markup is written in the source; everything else is escaped on its way in.
struct HTMLText {
    private(set) var bytes: [UInt8] = []

    init(reserving count: Int) { self.bytes.reserveCapacity(count) }

    /// Adds markup, which can only be written in the source.
    mutating func markup(_ text: StaticString) {
        text.withUTF8Buffer { self.bytes.append(contentsOf: $0) }
    }

    /// Adds text for an element or a quoted attribute. What would make text look like something else, control characters
    /// and those that turn the direction of writing, becomes `�`.
    mutating func text(_ text: String) {
        let utf8 = text.utf8
        var index = utf8.startIndex
        while index != utf8.endIndex {
            let byte = utf8[index]
            var next = utf8.index(after: index)
            switch byte {
            case UInt8(ascii: "&"): self.markup("&amp;")
            case UInt8(ascii: "<"): self.markup("&lt;")
            case UInt8(ascii: ">"): self.markup("&gt;")
            case UInt8(ascii: "\""): self.markup("&quot;")
            case UInt8(ascii: "'"): self.markup("&#39;")
            case 0..<0x20, 0x7F: self.markup("\u{FFFD}")
            // The first bytes of characters that are looked at as a whole: U+0080–U+009F, U+061C, U+2000–U+2FFF, U+F000–U+FFFF.
            case 0xC2, 0xD8, 0xE2, 0xEF:
                let scalar = text.unicodeScalars[index]
                next = text.unicodeScalars.index(after: index)
                if Self.isDeceptive(scalar) {
                    self.markup("\u{FFFD}")
                } else {
                    self.bytes.append(contentsOf: utf8[index..<next])
                }
            default: self.bytes.append(byte)
            }
            index = next
        }
    }

    private static func isDeceptive(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x80...0x9F, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: true
        default: false
        }
    }

    mutating func number(_ value: Int) {
        guard value >= 0 else {
            self.bytes.append(UInt8(ascii: "-"))
            return self.number(value.magnitude)
        }
        self.number(value.magnitude)
    }

    private mutating func number(_ value: UInt) {
        if value >= 10 { self.number(value / 10) }
        self.bytes.append(UInt8(ascii: "0") + UInt8(value % 10))
    }
}

// MARK: - Words

extension HTMLText {
    /// `1 check`, `2 checks`.
    mutating func count(_ value: Int, _ one: StaticString, _ many: StaticString) {
        self.number(value)
        self.markup(" ")
        self.markup(value == 1 ? one : many)
    }

    /// A time in the past or a duration, in the largest unit that it fills, for people.
    mutating func span(seconds: Int) {
        switch seconds {
        case ..<60: self.count(max(0, seconds), "second", "seconds")
        case ..<3600: self.count(seconds / 60, "minute", "minutes")
        case ..<172_800:
            self.count(seconds / 3600, "hour", "hours")
            let minutes = seconds % 3600 / 60
            guard minutes > 0, seconds < 36_000 else { return }
            self.markup(" ")
            self.count(minutes, "minute", "minutes")
        default: self.count(seconds / 86_400, "day", "days")
        }
    }

    /// How long something took, with about two digits.
    mutating func time(_ time: Duration) {
        let microseconds = Self.microseconds(time)
        switch microseconds {
        case ..<100: self.markup("&lt;\u{A0}0.1\u{A0}ms")
        case ..<9950: self.tenths((microseconds + 50) / 100, "\u{A0}ms")
        case ..<999_500:
            self.number((microseconds + 500) / 1000)
            self.markup("\u{A0}ms")
        case ..<9_950_000: self.tenths((microseconds + 50_000) / 100_000, "\u{A0}s")
        default:
            self.number((microseconds + 500_000) / 1_000_000)
            self.markup("\u{A0}s")
        }
    }

    private mutating func tenths(_ value: Int, _ unit: StaticString) {
        self.number(value / 10)
        if value % 10 > 0 {
            self.markup(".")
            self.number(value % 10)
        }
        self.markup(unit)
    }

    static func microseconds(_ time: Duration) -> Int {
        let (seconds, attoseconds) = time.components
        return max(0, Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000))
    }

    /// A moment for people and machines, and how long ago it was: the day is left out where it is that of `now`.
    mutating func moment(_ moment: Timestamp, now: Timestamp) {
        self.clock(moment, now: now)
        self.markup(", ")
        self.span(from: moment, to: now)
    }

    /// A moment without how long ago it was.
    mutating func clock(_ moment: Timestamp, now: Timestamp) {
        let text = self.openTime(moment).utf8
        if !now.description.utf8.prefix(10).elementsEqual(text.prefix(10)) {
            self.bytes.append(contentsOf: text.prefix(10))
            self.markup(" ")
        }
        self.bytes.append(contentsOf: text.dropFirst(11).prefix(8))
        self.markup(" UTC</time>")
    }

    /// How long ago a moment was; when it was is for machines.
    mutating func age(of moment: Timestamp, now: Timestamp) {
        _ = self.openTime(moment)
        self.span(from: moment, to: now)
        self.markup("</time>")
    }

    private mutating func openTime(_ moment: Timestamp) -> String {
        let text = moment.description
        self.markup("<time datetime=\"")
        self.bytes.append(contentsOf: text.utf8)
        self.markup("\">")
        return text
    }

    private mutating func span(from moment: Timestamp, to now: Timestamp) {
        let seconds = (now.millisecondsSince1970 - moment.millisecondsSince1970) / 1000
        // Also where the clock was set back.
        guard seconds >= 1 else { return self.markup("just now") }
        self.span(seconds: seconds)
        self.markup(" ago")
    }
}
