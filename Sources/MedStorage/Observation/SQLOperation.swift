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
        case "begin", "start", "commit", "end", "rollback", "abort": return true
        case "prepare": return words.next() == "transaction"
        default: return false
        }
    }

    /// Whether a statement may be asked outside of a transaction that can write, and asked again when its connection was lost: it is one
    /// that reads, as far as its words say.
    package static func reads(_ sql: String) -> Bool {
        if self.begins(sql, with: "select") { return true }
        var words = Words(sql.utf8)
        switch words.next() {
        case "with", "explain":
            // A common table may write, and what is explained may be done.
            while let word = words.next(atAnyDepth: true) {
                if ["insert", "update", "delete", "merge", "call", "execute"].contains(word) { return false }
            }
            return true
        // What is no word of SQL at all, the database says better.
        case let verb?: return [nil, .select].contains(Self(verb: verb)) && !Self.writing.contains(verb)
        case nil: return true
        }
    }

    /// The verbs that may write, or change the session, and are no operation of their own here (PostgreSQL 15 and SQLite, "SQL Commands").
    private static let writing: Set<String> = [
        "analyze", "attach", "call", "checkpoint", "cluster", "detach", "discard", "do", "execute", "import", "lock",
        "merge", "notify", "reassign", "refresh", "reindex", "release", "reset", "savepoint", "security", "set",
        "vacuum",
    ]

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
    private struct Words {
        private var rest: Substring.UTF8View
        private var depth = 0
        private var hasSeenWord = false

        init(_ text: String.UTF8View) { self.rest = text[...] }

        mutating func next(atAnyDepth: Bool = false) -> String? {
            while let byte = self.rest.first {
                switch byte {
                case UInt8(ascii: "("): self.enter()
                case UInt8(ascii: ")"): self.leave()
                case UInt8(ascii: "'"), UInt8(ascii: "\""): self.skipQuoted(by: byte)
                case UInt8(ascii: "-") where self.rest.dropFirst().first == byte: self.skip(to: "\n")
                case UInt8(ascii: "/") where self.rest.dropFirst().first == UInt8(ascii: "*"): self.skip(to: "*/")
                case _ where Self.isLetter(byte):
                    let word = self.rest.prefix { Self.isLetter($0) || ($0 >= 0x30 && $0 <= 0x39) }
                    self.rest = self.rest.dropFirst(word.count)
                    self.hasSeenWord = true
                    if self.depth == 0 || atAnyDepth { return String(Substring(word)).lowercased() }
                default: self.rest = self.rest.dropFirst()
                }
            }
            return nil
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

        private mutating func skip(to end: String) {
            while !self.rest.isEmpty, !self.rest.starts(with: end.utf8) { self.rest = self.rest.dropFirst() }
            self.rest = self.rest.dropFirst(end.utf8.count)
        }

        private static func isLetter(_ byte: UInt8) -> Bool {
            (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
        }
    }
}
