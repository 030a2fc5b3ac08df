// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Finds the end of an HTTP/1.1 answer with a body, and what a load has to know of it, as cheaply as possible.
package struct AnswerScanner {
    /// What a load has to know of an answer.
    package struct Answer: Equatable {
        package var status: Int
        package var saysClose: Bool
        package var hasRetryAfter: Bool
    }

    /// How far it is.
    package enum Result: Equatable {
        case incomplete, malformed
        case complete(Answer)
    }

    private let capacity: Int
    /// One byte longer than what is received, so that it always ends with a zero, as the C functions need it.
    private var bytes: [CChar]
    private var count = 0

    /// - Parameter capacity: The longest answer, in bytes.
    package init(capacity: Int = 1 << 16) {
        self.capacity = capacity
        self.bytes = [CChar](repeating: 0, count: capacity + 1)
    }

    /// Whether nothing has come yet.
    package var isEmpty: Bool { self.count == 0 }

    /// Forgets the last answer.
    package mutating func reset() { self.count = 0 }

    /// Receives what has come; the result is that of `recv`.
    package mutating func receive(from descriptor: Int32) -> Int {
        let room = self.count..<self.capacity
        let received = self.bytes.withUnsafeMutableBytes { bytes in
            let room = UnsafeMutableRawBufferPointer(rebasing: bytes[room])
            return recv(descriptor, room.baseAddress, room.count, 0)
        }
        if received > 0 {
            self.count += received
            self.bytes[self.count] = 0
        }
        return received
    }

    /// Whether the answer has come to its end.
    package func scan() -> Result {
        let result = self.bytes.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { self.scan($0) } ?? .incomplete
        }
        return result == .incomplete && self.count == self.capacity ? .malformed : result
    }

    private func scan(_ text: UnsafePointer<CChar>) -> Result {
        guard let headEnd = self.find("\r\n\r\n", in: text, from: 0) else { return .incomplete }
        guard strncmp(text, "HTTP/1.1 ", 9) == 0 else { return .malformed }
        var answer = Answer(status: atol(text + 9), saysClose: false, hasRetryAfter: false)
        var length: Int?
        var isChunked = false
        var line = 0
        while line < headEnd, let lineEnd = self.find("\r\n", in: text, from: line) {
            line = lineEnd + 2
            let field = text + line
            if strncasecmp(field, "Content-Length: ", 16) == 0 { length = atol(field + 16) }
            if strncasecmp(field, "Transfer-Encoding: chunked\r", 27) == 0 { isChunked = true }
            if strncasecmp(field, "Connection: close\r", 18) == 0 { answer.saysClose = true }
            if strncasecmp(field, "Retry-After: ", 13) == 0 { answer.hasRetryAfter = true }
        }
        guard isChunked != (length != nil) else { return .malformed }
        let body = headEnd + 4
        guard let end = length.map({ body + $0 }) ?? self.endOfChunks(text, from: body), end <= self.count else {
            return .incomplete
        }
        return end == self.count ? .complete(answer) : .malformed
    }

    /// Where the chunks end, trailers included; `nil` when that has not come yet.
    private func endOfChunks(_ text: UnsafePointer<CChar>, from start: Int) -> Int? {
        var position = start
        while position < self.count {
            guard let lineEnd = self.find("\r\n", in: text, from: position) else { return nil }
            let size = strtol(text + position, nil, 16)
            if size <= 0 { return self.find("\r\n\r\n", in: text, from: lineEnd).map { $0 + 4 } }
            position = lineEnd + 2 + size + 2
        }
        return nil
    }

    private func find(_ mark: String, in text: UnsafePointer<CChar>, from start: Int) -> Int? {
        strstr(text + start, mark).map { UnsafePointer($0) - text }
    }
}
