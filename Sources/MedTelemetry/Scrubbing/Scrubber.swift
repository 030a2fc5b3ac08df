// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The second net: takes out of a text what looks like a secret or like something that identifies a patient.
///
/// The first net is `PHI<Value>`, which never prints its value. This one is for what was printed all the same: a message of
/// a driver that quotes its connection string, a token in a header, an e-mail address in an error. It works by shape, so it
/// cannot know a name or a diagnosis, and it is no reason to log either. ``ScrubRules`` lists the shapes, what stands in
/// their place, and how often they are wrong.
///
/// ```swift
/// Scrubber.scrub("login of ada@example.org failed, password=hunter2")
/// // "login of ‹email› failed, password=‹password›"
/// ```
///
/// What comes out is never more than ``maximumGrowth`` bytes longer than what went in, and scrubbing it again changes
/// nothing.
public enum Scrubber {
    /// How many bytes marks may add to a text. Where they would add more, asterisks stand for the rest of the secrets.
    public static let maximumGrowth = 256

    /// The text without what looks like a secret; the text itself, without a copy, when there is nothing to take out.
    public static func scrub(_ text: String) -> String {
        var text = text
        guard let scrubbed = text.withUTF8({ self.scrub($0) }) else { return text }
        return String(decoding: scrubbed, as: UTF8.self)
    }

    /// Valid UTF-8 without what looks like a secret, or `nil` if there is nothing to take out.
    static func scrub(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        // The pointer is the storage of a string, valid for the call that lends it to us.
        // No rule has a shape as short as that.
        guard text.count >= 5, var scrubbed = self.pass(text, growth: self.maximumGrowth) else { return nil }
        // A mark can put the characters around it into another light: again, until nothing changes any more.
        for _ in 0..<8 {
            let growth = self.maximumGrowth - max(scrubbed.count - text.count, 0)
            guard let next = scrubbed.withUnsafeBufferPointer({ self.pass($0, growth: growth) }) else { break }
            scrubbed = next
        }
        return scrubbed
    }

    /// One pass over a text.
    private static func pass(_ text: UnsafeBufferPointer<UInt8>, growth: Int) -> [UInt8]? {
        // Lent as above.
        var rules = ScrubRules(text: text)
        guard var match = rules.next() else { return nil }
        var scrubbed: [UInt8] = []
        scrubbed.reserveCapacity(text.count + 64)
        var growth = growth
        var copied = 0
        while true {
            scrubbed.append(contentsOf: text[copied..<match.range.lowerBound])
            let added = match.mark.utf8CodeUnitCount - match.range.count
            if added <= growth {
                growth -= max(added, 0)
                match.mark.withUTF8Buffer { scrubbed.append(contentsOf: $0) }
            } else {
                scrubbed.append(contentsOf: repeatElement(UInt8(ascii: "*"), count: match.range.count))
            }
            copied = match.range.upperBound
            guard let next = rules.next() else { break }
            match = next
        }
        scrubbed.append(contentsOf: text[copied...])
        return scrubbed
    }
}
