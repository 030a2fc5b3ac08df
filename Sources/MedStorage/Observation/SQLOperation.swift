// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a statement does, by its first words: the value of the label `operation` in metrics.
public enum SQLOperation: String, Sendable, CaseIterable {
    case select, insert, update, delete, copy, begin, commit, rollback
    /// A change of the schema.
    case ddl
    /// Anything else.
    case other

    /// Reads the verb of a statement; of one that begins with `WITH`, that of the statement behind the common tables.
    public init(sql: String) {
        var words = Words(sql.utf8)
        switch words.next() {
        case "with":
            self = .other
            // The common tables are in parentheses, so the first verb outside of any is that of the statement.
            while let word = words.next() {
                if let verb = Self(verb: word), verb != .ddl, verb != .other {
                    self = verb
                    return
                }
            }
        case let word?: self = Self(verb: word) ?? .other
        case nil: self = .other
        }
    }

    /// Whether a statement begins or ends a transaction: closures do that, and drivers refuse it.
    package static func controlsTransaction(_ sql: String) -> Bool {
        // Nearly every statement begins with one of these letters, and is none.
        if let first = sql.utf8.first, "IiUuDdWw".utf8.contains(first) || self.begins(sql, with: "select") {
            return false
        }
        var words = Words(sql.utf8)
        switch words.next() {
        case "begin", "start", "commit", "end", "rollback", "abort", Words.ambiguous: return true
        case "prepare": return words.next() == "transaction"
        default: return false
        }
    }

    /// Whether a statement may be asked outside of a transaction that can write, and asked again when its connection was lost: it is one
    /// that reads, as far as its words say.
    package static func reads(_ sql: String) -> Bool {
        if self.begins(sql, with: "select"), !self.mentionsInto(sql) { return true }
        var words = Words(sql.utf8)
        switch words.next() {
        case "select": return !words.contain(["into", Words.ambiguous])
        // A common table may write, and what is explained may be done.
        case "with", "explain": return !words.contain(Self.writingInside)
        // What is no word of SQL at all, the database says better.
        case let verb?: return [nil, .select].contains(Self(verb: verb)) && !Self.writing.contains(verb)
        case nil: return true
        }
    }

    /// The verbs that may write, or change the session, and are no operation of their own here (PostgreSQL 15 and SQLite, "SQL Commands").
    private static let writing: Set<String> = [
        "analyze", "attach", "call", "checkpoint", "cluster", "deallocate", "declare", "detach", "discard", "do",
        "execute", "import", "listen", "load", "lock", "merge", "notify", "prepare", "reassign", "refresh", "reindex",
        "release", "reset", "savepoint", "security", "set", "unlisten", "vacuum", Words.ambiguous,
    ]

    /// The words that say that a statement writes which begins with `WITH` or `EXPLAIN`.
    private static let writingInside: Set<String> = [
        "call", "create", "delete", "execute", "insert", "into", "merge", "update", Words.ambiguous,
    ]

    /// Whether `into` is anywhere in the text, be it inside of a comment: a look that costs next to nothing.
    private static func mentionsInto(_ sql: String) -> Bool {
        var last: UInt32 = 0
        for byte in sql.utf8 {
            last = last << 8 | UInt32(byte | 0x20)
            if last == 0x696E_746F { return true }
        }
        return false
    }

    /// Whether such a statement, in no transaction, is surely done as a whole or not at all.
    package var isAtomic: Bool {
        switch self {
        case .insert, .update, .delete, .select: true
        case .copy, .begin, .commit, .rollback, .ddl, .other: false
        }
    }

    private static func begins(_ sql: String, with word: StaticString) -> Bool {
        word.withUTF8Buffer { word in sql.utf8.count >= word.count && zip(sql.utf8, word).allSatisfy { $0 | 0x20 == $1 }
        }
    }

    private init?(verb: String) {
        switch verb {
        case "select", "values", "table": self = .select
        case "insert", "replace": self = .insert
        case "update": self = .update
        case "delete": self = .delete
        case "copy": self = .copy
        case "begin", "start": self = .begin
        case "commit", "end": self = .commit
        case "rollback", "abort": self = .rollback
        case "create", "alter", "drop", "truncate", "comment", "grant", "revoke": self = .ddl
        default: return nil
        }
    }

    /// The words of a statement outside of quotes and comments, and of parentheses unless they are asked for, in small letters.
    ///
    /// Texts and comments are those of PostgreSQL (15, "Lexical Structure"). SQLite's names in backticks or brackets count as words.
    private struct Words {
        /// Instead of a word: here the databases do not agree on what is a comment.
        static let ambiguous = "/*"

        private var rest: Substring.UTF8View
        private var depth = 0
        private var hasSeenWord = false

        init(_ text: String.UTF8View) {
            self.rest = text[...]
            // SQLite skips a byte order mark.
            let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
            if self.rest.starts(with: mark) { self.rest = self.rest.dropFirst(mark.count) }
        }

        mutating func next(atAnyDepth: Bool = false) -> String? {
            while let byte = self.rest.first {
                switch byte {
                case UInt8(ascii: "("): self.enter()
                case UInt8(ascii: ")"): self.leave()
                case UInt8(ascii: "'"), UInt8(ascii: "\""): self.skipQuoted(by: byte)
                case UInt8(ascii: "$"): self.skipDollarQuoted()
                case UInt8(ascii: "-") where self.rest.dropFirst().first == byte:
                    if !self.skipLine() { return Self.ambiguous }
                case UInt8(ascii: "/") where self.rest.dropFirst().first == UInt8(ascii: "*"):
                    if !self.skipComment() { return Self.ambiguous }
                case _ where Self.isLetter(byte):
                    let word = self.rest.prefix { Self.isLetter($0) || Self.isDigit($0) || $0 == UInt8(ascii: "$") }
                    self.rest = self.rest.dropFirst(word.count)
                    self.hasSeenWord = true
                    if word.count == 1, byte | 0x20 == UInt8(ascii: "e"), self.rest.first == UInt8(ascii: "'") {
                        self.skipEscaped()
                        continue
                    }
                    if self.depth == 0 || atAnyDepth { return String(Substring(word)).lowercased() }
                default: self.rest = self.rest.dropFirst()
                }
            }
            return nil
        }

        /// Whether one of these is among the words that are left, inside of parentheses, too.
        mutating func contain(_ words: Set<String>) -> Bool {
            while let word = self.next(atAnyDepth: true) {
                if words.contains(word) { return true }
            }
            return false
        }

        /// A statement as a whole may be in parentheses too: those at the very beginning do not count.
        private mutating func enter() {
            self.rest = self.rest.dropFirst()
            if self.hasSeenWord { self.depth += 1 }
        }

        private mutating func leave() {
            self.rest = self.rest.dropFirst()
            self.depth = max(0, self.depth - 1)
        }

        private mutating func skipQuoted(by quote: UInt8) {
            // A doubled quote ends one text and begins the next.
            self.rest = self.rest.dropFirst().drop { $0 != quote }.dropFirst()
        }

        /// `E'…'`, where a backslash stands before a quote that does not end the text.
        private mutating func skipEscaped() {
            self.rest = self.rest.dropFirst()
            while let byte = self.rest.first, byte != UInt8(ascii: "'") {
                self.rest = self.rest.dropFirst(byte == UInt8(ascii: "\\") ? 2 : 1)
            }
            self.rest = self.rest.dropFirst()
        }

        /// `$$…$$` or `$tag$…$tag$`; before anything else, a dollar is the beginning of a parameter.
        private mutating func skipDollarQuoted() {
            let name = self.rest.dropFirst().prefix { Self.isLetter($0) || Self.isDigit($0) }
            let tag = self.rest.prefix(name.count + 2)
            self.rest = self.rest.dropFirst()
            guard tag.count == name.count + 2, tag.last == UInt8(ascii: "$"), name.first.map(Self.isDigit) != true
            else { return }
            self.rest = self.rest.dropFirst(tag.count - 1)
            while !self.rest.isEmpty, !self.rest.starts(with: tag) { self.rest = self.rest.dropFirst() }
            self.rest = self.rest.dropFirst(tag.count)
        }

        /// A comment to the end of its line. False if a carriage return is inside, which ends it in PostgreSQL alone.
        private mutating func skipLine() -> Bool {
            while let byte = self.rest.first, byte != UInt8(ascii: "\n") {
                self.rest = self.rest.dropFirst()
                if byte == UInt8(ascii: "\r"), self.rest.first != UInt8(ascii: "\n") { return false }
            }
            return true
        }

        /// A comment in `/* */`. False if another begins inside: PostgreSQL nests them, SQLite does not.
        private mutating func skipComment() -> Bool {
            self.rest = self.rest.dropFirst(2)
            while !self.rest.isEmpty {
                if self.rest.starts(with: "*/".utf8) {
                    self.rest = self.rest.dropFirst(2)
                    return true
                }
                if self.rest.starts(with: "/*".utf8) { return false }
                self.rest = self.rest.dropFirst()
            }
            return true
        }

        /// What an identifier may begin with: all that is not ASCII, too.
        private static func isLetter(_ byte: UInt8) -> Bool {
            (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
                || byte >= 0x80
        }

        private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    }
}
