// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// As much of a request as a ``StandInListener`` needs: its first line. Header fields are skipped.
struct StandInRequest: Equatable {
    let method: String
    let target: String

    enum Result: Equatable {
        /// More bytes are needed.
        case incomplete
        case complete(StandInRequest)
        /// An answer with this status, whatever may follow.
        case refused(Int)
    }

    private static let carriageReturn = UInt8(ascii: "\r")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let space = UInt8(ascii: " ")

    /// Looks whether `bytes`, which grow from call to call, have a whole head of `limit` bytes at most.
    ///
    /// - Parameter searched: how many bytes were looked at before; begins with 0.
    static func parse(_ bytes: [UInt8], searched: inout Int, limit: Int) -> Result {
        // Empty lines before a request are to be ignored (RFC 9112 §2.2).
        guard let start = bytes.firstIndex(where: { $0 != Self.carriageReturn && $0 != Self.lineFeed }) else {
            return bytes.count < limit ? .incomplete : .refused(431)
        }
        // Not even the beginning of a method: a TLS handshake, for one, has no line that would end.
        guard Self.isTokenByte(bytes[start]) else { return .refused(400) }
        var end: Int?
        // The end may have come in two parts.
        var index = max(start, searched - 2)
        while end == nil, let feed = bytes[index...].firstIndex(of: Self.lineFeed) {
            index = feed + 1
            let rest = bytes[index...].prefix(2)
            if rest.first == Self.lineFeed || rest.elementsEqual([Self.carriageReturn, Self.lineFeed]) {
                end = index + (rest.first == Self.lineFeed ? 1 : 2)
            }
        }
        defer { searched = bytes.count }
        // The line is read when it is complete, to refuse it early, and at the end.
        if let lineEnd = bytes[start...].firstIndex(of: Self.lineFeed), lineEnd >= searched || end != nil {
            guard let request = Self(line: bytes[start..<lineEnd]) else { return .refused(400) }
            if let end, end <= limit { return .complete(request) }
        }
        return bytes.count < limit ? .incomplete : .refused(431)
    }

    /// Reads `METHOD SP target SP HTTP/1.x`, with or without CR at its end.
    private init?(line: ArraySlice<UInt8>) {
        let line = line.last == Self.carriageReturn ? line.dropLast() : line
        let parts = line.split(separator: Self.space, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(Self.isTokenByte),
            !parts[1].isEmpty, parts[1].allSatisfy({ $0 > Self.space && $0 < 0x7F }),
            parts[2].elementsEqual("HTTP/1.1".utf8) || parts[2].elementsEqual("HTTP/1.0".utf8)
        else { return nil }
        self.method = String(decoding: parts[0], as: UTF8.self)
        self.target = String(decoding: parts[1], as: UTF8.self)
    }

    /// Whether a method may contain it (RFC 9110 §5.6.2).
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
