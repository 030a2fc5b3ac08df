// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A TCP client that sends exactly the bytes a test gives it and tells exactly how the connection went on.
///
/// Sending and receiving may go on at the same time; two receives may not.
package final class RawClient: Sendable {
    /// How the peer ended the connection.
    package enum Ending: Equatable, Sendable {
        /// Properly, with a FIN.
        case closed
        /// With an RST.
        case reset
    }

    private let descriptor: Int32
    private let received = Mutex<[UInt8]>([])

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { Foundation.close(self.descriptor) }

    /// Makes the end of this object a reset of the connection instead of a proper end.
    package func resetAtEnd() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Connects to a port of this machine, by IPv4 unless told otherwise.
    ///
    /// - Parameter receiveBuffer: A small one makes the server's writes wait for this client's reads.
    package static func connect(port: Int, host: String = "127.0.0.1", receiveBuffer: Int32? = nil) async throws
        -> RawClient
    {
        try await onThread { try self.connectBlocking(port: port, host: host, receiveBuffer: receiveBuffer) }
    }

    /// One request and its answer on a connection of its own.
    package static func exchange(
        port: Int,
        host: String = "127.0.0.1",
        _ method: String,
        _ target: String,
        fields: String = "",
        body: String = ""
    ) async throws -> RawResponse {
        let client = try await self.connect(port: port, host: host)
        try await client.send(self.request(method, target, fields: fields, body: body))
        return try await client.response(to: method)
    }

    /// The bytes of a plain request; `fields` are further header lines, each ended by CRLF.
    package static func request(_ method: String, _ target: String, fields: String = "", body: String = "") -> String {
        let length = body.isEmpty && method != "POST" ? "" : "Content-Length: \(body.utf8.count)\r\n"
        return "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\(length)\(fields)\r\n\(body)"
    }

    /// Sends text as it is.
    package func send(_ text: String) async throws { try await self.send(Array(text.utf8)) }

    /// Sends bytes as they are.
    package func send(_ bytes: [UInt8]) async throws {
        try await onThread { try self.sendBlocking(bytes) }
    }

    /// Sends a plain request.
    package func request(_ method: String, _ target: String, fields: String = "", body: String = "") async throws {
        try await self.send(Self.request(method, target, fields: fields, body: body))
    }

    /// Sends a plain `GET` and waits for its answer.
    package func get(_ target: String) async throws -> RawResponse {
        try await self.request("GET", target)
        return try await self.response()
    }

    /// Tells the peer that nothing more will come, and goes on receiving.
    package func finishSending() { shutdown(self.descriptor, Int32(SHUT_WR)) }

    /// Ends the connection properly.
    package func close() { shutdown(self.descriptor, Int32(SHUT_RDWR)) }

    /// Receives one answer: its head, and its body as far as it comes.
    ///
    /// An answer that is cut off in its body is returned, with `isComplete` false; cut off earlier, it is an error.
    package func response(to method: String = "GET") async throws -> RawResponse {
        try await onThread { try self.responseBlocking(to: method) }
    }

    /// Receives the head of an answer only; ``body(of:)`` receives the rest.
    package func head(to method: String = "GET") async throws -> RawResponse {
        try await onThread { try self.headBlocking(to: method) }
    }

    /// Receives the body of an answer whose head has come.
    package func body(of head: RawResponse) async throws -> RawResponse {
        try await onThread { try self.bodyBlocking(of: head) }
    }

    /// Receives until the peer ends the connection; gives what came, and how it ended.
    package func remainder() async throws -> (bytes: [UInt8], ending: Ending) {
        try await onThread {
            var ending: Ending?
            repeat { ending = try self.receiveBlocking() } while ending == nil
            return (self.take(self.received.withLock(\.count)), ending ?? .closed)
        }
    }

    /// How the peer ends the connection, which nothing may precede.
    package func ending() async throws -> Ending {
        let (bytes, ending) = try await self.remainder()
        guard bytes.isEmpty else {
            throw HarnessError(
                .malformed, "Unexpected before the end: \(String(decoding: bytes.prefix(400), as: UTF8.self))")
        }
        return ending
    }

    /// Whether the peer has not ended the connection and nothing unexpected has come.
    package var isQuiet: Bool {
        var byte: UInt8 = 0
        let count = recv(self.descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && self.received.withLock(\.isEmpty)
    }
}

// The blocking half, which runs on threads of its own.
extension RawClient {
    private static func connectBlocking(port: Int, host: String, receiveBuffer: Int32?) throws -> RawClient {
        let isIPv6 = host.contains(":")
        let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HarnessError.system("socket", errno) }
        let client = RawClient(descriptor: descriptor)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: Int(TestPatience.seconds), tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        let result = isIPv6 ? self.connect6(descriptor, port, host) : self.connect4(descriptor, port, host)
        switch result {
        case 0: return client
        case ECONNREFUSED: throw HarnessError(.refused, "Connection refused: port \(port).")
        case ECONNRESET: throw HarnessError(.reset, "The connection was reset while it was made.")
        case let number: throw HarnessError.system("connect to port \(port)", number)
        }
    }

    private static func connect4(_ descriptor: Int32, _ port: Int, _ host: String) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return self.connect(descriptor, &address)
    }

    private static func connect6(_ descriptor: Int32, _ port: Int, _ host: String) -> Int32 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = in_port_t(truncatingIfNeeded: port).bigEndian
        inet_pton(AF_INET6, host, &address.sin6_addr)
        return self.connect(descriptor, &address)
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: inout Address) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0 ? 0 : errno
            }
        }
    }

    private func sendBlocking(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { rest in
                Foundation.send(self.descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno == EPIPE || errno == ECONNRESET {
                throw HarnessError(.reset, "The connection was reset while sending.")
            } else if errno != EINTR {
                throw HarnessError.system("send", errno)
            }
        }
    }

    /// Receives some bytes, or tells how the connection ended.
    private func receiveBlocking() throws -> Ending? {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(self.descriptor, &chunk, chunk.count, 0)
            if count > 0 {
                self.received.withLock { $0 += chunk[..<count] }
                return nil
            }
            if count == 0 { return .closed }
            switch errno {
            case EINTR: continue
            case ECONNRESET, EPIPE: return .reset
            case EAGAIN:
                throw HarnessError(.nothingCame, "Nothing came over the connection for \(Int(TestPatience.seconds)) s.")
            case let number: throw HarnessError.system("recv", number)
            }
        }
    }

    private func take(_ count: Int) -> [UInt8] {
        self.received.withLock { received in
            let taken = Array(received.prefix(count))
            received.removeFirst(taken.count)
            return taken
        }
    }

    /// Takes everything up to `mark`, and drops the mark.
    private func takeBlocking(upTo mark: String) throws -> [UInt8] {
        let mark = Array(mark.utf8)
        while true {
            let range = self.received.withLock { $0.firstRange(of: mark) }
            if let range { return self.take(range.upperBound).dropLast(mark.count) }
            if let ending = try self.receiveBlocking() { throw self.cutOff(ending) }
        }
    }

    private func cutOff(_ ending: Ending) -> HarnessError {
        let rest = self.received.withLock { String(decoding: $0.prefix(400), as: UTF8.self) }
        return ending == .closed
            ? HarnessError(.closed, "The connection was closed after '\(rest)'.")
            : HarnessError(.reset, "The connection was reset after '\(rest)'.")
    }

    private func responseBlocking(to method: String) throws -> RawResponse {
        try self.bodyBlocking(of: self.headBlocking(to: method))
    }

    private func headBlocking(to method: String) throws -> RawResponse {
        try RawResponse(head: self.takeBlocking(upTo: "\r\n\r\n"), to: method)
    }

    private func bodyBlocking(of head: RawResponse) throws -> RawResponse {
        var response = head
        do {
            switch head.framing {
            case .none: break
            case .length(let count):
                while response.body.count < count {
                    response.body += self.take(count - response.body.count)
                    if response.body.count < count, let ending = try self.receiveBlocking() {
                        throw self.cutOff(ending)
                    }
                }
            case .chunked:
                while try self.chunkBlocking(into: &response.body) {}
            case .untilEnd:
                var ending: Ending?
                repeat { ending = try self.receiveBlocking() } while ending == nil
                response.body = self.take(self.received.withLock(\.count))
            }
            response.isComplete = true
        } catch let error as HarnessError where error.code == .closed || error.code == .reset {
            response.body += self.take(self.received.withLock(\.count))
        }
        return response
    }

    /// Receives one chunk; false after the final one.
    private func chunkBlocking(into body: inout [UInt8]) throws -> Bool {
        let line = String(decoding: try self.takeBlocking(upTo: "\r\n"), as: UTF8.self)
        guard let count = Int(line.prefix { $0 != ";" }, radix: 16) else {
            throw HarnessError(.malformed, "Not the length of a chunk: '\(line)'")
        }
        if count == 0 {
            // Trailers, if any, end with an empty line.
            while try !self.takeBlocking(upTo: "\r\n").isEmpty {}
            return false
        }
        while self.received.withLock(\.count) < count + 2 {
            if let ending = try self.receiveBlocking() { throw self.cutOff(ending) }
        }
        body += self.take(count)
        guard self.take(2) == [0x0D, 0x0A] else { throw HarnessError(.malformed, "A chunk is longer than it says.") }
        return true
    }
}
