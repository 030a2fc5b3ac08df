// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One way to write an HTTP/1 request, and what is to become of it.
///
/// Another request follows it on the same connection, ``behind``. Answered, it ends the connection. Whoever refuses the
/// first one has lost track of where the second begins, so it must not be answered: that is how requests are smuggled.
struct FramingCase: Sendable, CustomStringConvertible {
    /// What is special about it.
    let name: String
    /// The request as it is sent, a byte per scalar, without the one behind it.
    let text: String
    /// What may be answered on the connection, each of them a list of the statuses that may come in turn.
    let outcomes: [[Set<Int>]]
    /// The body that the first answer echoes, if it does.
    var echo: String?
    /// Why we may take what nginx or HAProxy refuses.
    var leniency: String?

    /// The request behind each of them.
    static let behind = "GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    /// Everything that is sent.
    var bytes: [UInt8] { (self.text + Self.behind).unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }

    /// Whether these are the statuses of one of its outcomes.
    func allows(_ statuses: [Int]) -> Bool {
        self.outcomes.contains { outcome in
            outcome.count == statuses.count && zip(outcome, statuses).allSatisfy { $0.contains($1) }
        }
    }

    var description: String { "\(self.name): \(String(self.text.prefix(300)).debugDescription)" }

    /// It is refused, and the connection ends.
    static func refused(_ name: String, _ text: String, with statuses: Set<Int> = [400]) -> Self {
        Self(name: name, text: text, outcomes: [[statuses]])
    }

    /// All of them are refused; `text` makes name and request of a short name and what is wrong.
    static func refused(
        each wrongs: KeyValuePairs<String, String>,
        with statuses: Set<Int> = [400],
        text: (String, String) -> (name: String, text: String)
    ) -> [Self] {
        wrongs.map { wrong in
            let (name, text) = text(wrong.key, wrong.value)
            return .refused(name, text, with: statuses)
        }
    }

    /// It is answered, and so is the request behind it.
    static func taken(
        _ name: String,
        _ text: String,
        with statuses: Set<Int> = [200],
        echo: String? = nil
    ) -> Self {
        Self(name: name, text: text, outcomes: [[statuses, [200]]], echo: echo)
    }

    /// It may be refused or answered: whichever, everybody sees the same end of it.
    static func either(
        _ name: String,
        _ text: String,
        with statuses: Set<Int> = [200],
        echo: String? = nil,
        leniency: String? = nil
    ) -> Self {
        Self(
            name: name, text: text, outcomes: [[statuses, [200]], [[400, 501, 505]]], echo: echo, leniency: leniency)
    }

    /// A `POST` to a route that sends the body back, with these header lines and what follows the head.
    static func post(_ fields: String, _ body: String = "hello") -> String {
        "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n\(body)"
    }

    /// A `GET` with these header lines.
    static func get(_ fields: String, target: String = "/_drill/hello") -> String {
        "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
    }

    /// A request with this first line and a good `Host`.
    static func line(_ line: String) -> String { "\(line)Host: localhost\r\n\r\n" }

    /// A `GET` whose `Host` lines are these.
    static func host(_ fields: String) -> String { "GET /_drill/hello HTTP/1.1\r\n\(fields)\r\n" }

    /// A `POST` with these header lines and a body in a chunk.
    static func coded(_ fields: String) -> String { self.post(fields, "5\r\nhello\r\n0\r\n\r\n") }

    /// A `POST` with a body in these chunks.
    static func chunks(_ body: String) -> String { self.post("Transfer-Encoding: chunked\r\n", body) }
}
