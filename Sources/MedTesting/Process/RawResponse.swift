// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One HTTP/1.1 answer, as it came over the wire.
package struct RawResponse: Sendable, CustomStringConvertible {
    /// How the end of the body is told.
    package enum Framing: Equatable, Sendable {
        /// By its length.
        case length(Int)
        /// By a chunk of length zero.
        case chunked
        /// By the end of the connection.
        case untilEnd
        /// There is none: `HEAD`, 1xx, 204, 304.
        case none
    }

    /// The first line.
    package let statusLine: String
    /// The fields in order, names as they were written.
    package let fields: [(name: String, value: String)]
    /// How the end of the body is told.
    package let framing: Framing
    /// The body, as far as it came.
    package internal(set) var body: [UInt8] = []
    /// Whether the body came to its end: all bytes of its length, or the final chunk.
    package internal(set) var isComplete = false

    init(head: some Sequence<UInt8>, to method: String) throws {
        let text = String(decoding: Array(head), as: UTF8.self)
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard let first = lines.first, first.wholeMatch(of: /HTTP\/1\.[01] [1-5][0-9][0-9]( .*)?/) != nil else {
            throw HarnessError(.malformed, "Not an HTTP answer: \(text.prefix(400))")
        }
        self.statusLine = String(first)
        self.fields = try lines.dropFirst().map { line in
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else {
                throw HarnessError(.malformed, "Not a header field: \(line)")
            }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            return (String(line[..<colon]), String(value))
        }
        self.framing = try Self.framing(status: Self.status(of: self.statusLine), fields: self.fields, method: method)
    }

    private static func framing(status: Int, fields: [(name: String, value: String)], method: String) throws -> Framing
    {
        if method == "HEAD" || status < 200 || status == 204 || status == 304 { return .none }
        let codings = fields.filter { $0.name.lowercased() == "transfer-encoding" }
        let lengths = fields.filter { $0.name.lowercased() == "content-length" }
        guard codings.count + lengths.count <= 1 else {
            throw HarnessError(.malformed, "Framing told twice: \(fields)")
        }
        if let coding = codings.first {
            guard coding.value == "chunked" else {
                throw HarnessError(.malformed, "Transfer-Encoding: \(coding.value)")
            }
            return .chunked
        }
        if let length = lengths.first {
            guard let count = Int(length.value), count >= 0 else {
                throw HarnessError(.malformed, "Content-Length: \(length.value)")
            }
            return .length(count)
        }
        return .untilEnd
    }

    private static func status(of line: String) -> Int { Int(line.dropFirst(9).prefix(3)) ?? 0 }

    /// The status code.
    package var status: Int { Self.status(of: self.statusLine) }

    /// The values of a field, joined as HTTP allows; `nil` when it is absent.
    package subscript(field: String) -> String? {
        let values = self.fields.filter { $0.name.lowercased() == field.lowercased() }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    /// Whether it carries `Connection: close`.
    package var saysClose: Bool { self["Connection"]?.lowercased() == "close" }

    /// The body as text.
    package var text: String { String(decoding: self.body, as: UTF8.self) }

    /// The body as JSON.
    package var json: OrderedJSON { get throws { try OrderedJSON(self.text) } }

    package var description: String {
        let fields = self.fields.map { "\($0.name): \($0.value)" }.joined(separator: ", ")
        return "\(self.statusLine) [\(fields)] \(self.text.prefix(400))\(self.isComplete ? "" : " (incomplete)")"
    }
}
