// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// One connection of a ``StandInListener``: one request, one answer.
///
///     reading ──head complete or refused──▶ writing ──all written──▶ lingering ──client's end──▶ over
///        └──────── patience is over, or the connection failed, in any stage ─────────────────▶ over
///
/// It lingers because a socket that is closed with bytes unread resets the connection, which can destroy the answer on
/// its way (RFC 9112 §9.6).
struct StandInConnection {
    enum Stage { case reading, writing, lingering }

    /// What becomes of the connection.
    enum Outcome { case goesOn, isOver }

    /// The most that a request's head may have, in bytes.
    static let maxHeadSize = 16 * 1024

    let descriptor: Int32
    /// When the patience with the present stage ends.
    private(set) var deadline: SuspendingClock.Instant

    private let patience: Duration
    private var stage = Stage.reading
    private var head: [UInt8] = []
    /// How much of the head has been searched for its end.
    private var searched = 0
    private var answer: [UInt8] = []
    private var written = 0

    /// Takes over a connection; closing its descriptor is left to the owner.
    init(descriptor: Int32, patience: Duration, now: SuspendingClock.Instant) {
        self.descriptor = descriptor
        self.patience = patience
        self.deadline = now + patience
    }

    /// What the connection waits for.
    var polled: pollfd {
        pollfd(fd: self.descriptor, events: Int16(self.stage == .writing ? POLLOUT : POLLIN), revents: 0)
    }

    /// Does what can be done without waiting.
    mutating func proceed(
        buffer: inout [UInt8],
        now: SuspendingClock.Instant,
        answer: StandInListener.Answerer
    ) -> Outcome {
        switch self.stage {
        case .reading: return self.read(into: &buffer, now: now, answer: answer)
        case .writing: return self.write(now: now)
        case .lingering:
            let count = recv(self.descriptor, &buffer, buffer.count, 0)
            return count > 0 || (count < 0 && Self.mayTryAgain) ? .goesOn : .isOver
        }
    }

    /// Ends the stage whose time is over.
    mutating func expire(now: SuspendingClock.Instant) -> Outcome {
        // A client that said nothing expects nothing.
        guard self.stage == .reading, !self.head.isEmpty else { return .isOver }
        return self.refuse(408, now: now)
    }

    private static var mayTryAgain: Bool { errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR }

    private mutating func read(
        into buffer: inout [UInt8],
        now: SuspendingClock.Instant,
        answer: StandInListener.Answerer
    ) -> Outcome {
        let count = recv(self.descriptor, &buffer, buffer.count, 0)
        if count < 0 { return Self.mayTryAgain ? .goesOn : .isOver }
        if count == 0 { return self.head.isEmpty ? .isOver : self.refuse(400, now: now) }
        self.head += buffer[..<count]
        let request: StandInRequest
        switch StandInRequest.parse(self.head, searched: &self.searched, limit: Self.maxHeadSize) {
        case .incomplete: return .goesOn
        case .refused(let status): return self.refuse(status, now: now)
        case .complete(let complete): request = complete
        }
        let (status, headers, body) = answer(request.method, request.target)
        return self.begin(status, headers, body, isBodySent: request.method != "HEAD", now: now)
    }

    private mutating func refuse(_ status: Int, now: SuspendingClock.Instant) -> Outcome {
        self.begin(status, [("Date", DateHeader.format(time(nil)))], [], isBodySent: true, now: now)
    }

    private mutating func begin(
        _ status: Int,
        _ headers: [(String, String)],
        _ body: [UInt8],
        isBodySent: Bool,
        now: SuspendingClock.Instant
    ) -> Outcome {
        var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        head += "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        self.answer = Array(head.utf8)
        if isBodySent { self.answer += body }
        self.head = []
        self.stage = .writing
        self.deadline = now + self.patience
        return self.write(now: now)
    }

    private mutating func write(now: SuspendingClock.Instant) -> Outcome {
        let count = self.answer[self.written...].withUnsafeBytes { rest in
            send(self.descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
        }
        if count < 0 { return Self.mayTryAgain ? .goesOn : .isOver }
        self.written += count
        guard self.written == self.answer.count else { return .goesOn }
        shutdown(self.descriptor, Int32(SHUT_WR))
        self.answer = []
        self.stage = .lingering
        self.deadline = now + self.patience
        return .goesOn
    }

    /// The reason phrase, which may be empty (RFC 9112 §4).
    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        default: ""
        }
    }
}
