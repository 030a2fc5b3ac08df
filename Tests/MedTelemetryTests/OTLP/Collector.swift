// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization

/// A collector on this machine that answers as a test wants it, on threads of its own: badly, half, or not at all.
final class Collector: Sendable {
    struct Request: Sendable {
        let method: String
        let path: String
        /// Names in lower case.
        let headers: [String: String]
        let body: [UInt8]
    }

    enum Reply: Sendable {
        case answer(Int, headers: [String: String] = [:], body: [UInt8] = [])
        /// Says nothing, for ever.
        case hang
        /// Closes the connection.
        case close
        /// Promises more than it sends, and closes the connection.
        case half
        /// Sends a body without an end.
        case endless

        static let ok = Reply.answer(200)
    }

    struct Failure: Error { let call: String }

    private struct State {
        var requests: [Request] = []
        var connections: [Int32] = []
        var isListening = true
        var isStopped = false
        var sentByteCount = 0
    }

    let port: UInt16
    private let listener: Int32
    private let reply: @Sendable (_ index: Int, Request) -> Reply
    private let state = Mutex(State())

    /// - Parameter reply: how the request is answered; the first one has index 0.
    init(port: UInt16 = 0, _ reply: @escaping @Sendable (_ index: Int, Request) -> Reply = { _, _ in .ok }) throws {
        self.reply = reply
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(self.listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        // The calls take an address of any family: this one has the layout and the length that they are told.
        let failure = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> String? in
                if bind(listener, pointer, length) != 0 { return "bind" }
                if listen(listener, 64) != 0 { return "listen" }
                return getsockname(listener, pointer, &length) == 0 ? nil : "getsockname"
            }
        }
        if let failure { throw Failure(call: failure) }
        self.port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                let isStopped = self.state.withLock { state in
                    state.connections.append(connection)
                    return state.isStopped
                }
                if isStopped {
                    self.finish(connection)
                    break
                }
                Thread.detachNewThread {
                    self.serve(connection)
                    self.finish(connection)
                }
            }
            // Within the lock, here and below: the number of a descriptor that is closed may be another test's at once.
            self.state.withLock { state in
                state.isListening = false
                _ = close(listener)
            }
        }
    }

    var url: String { "http://127.0.0.1:\(self.port)" }
    var requests: [Request] { self.state.withLock { $0.requests } }
    var sentByteCount: Int { self.state.withLock { $0.sentByteCount } }

    /// Waits for so many requests.
    func requests(_ count: Int) async throws -> [Request] {
        while self.requests.count < count { try await Task.sleep(for: .milliseconds(2)) }
        return self.requests
    }

    /// Ends all connections.
    func stop() {
        self.state.withLock { state in
            state.isStopped = true
            // Their threads notice, and close them.
            if state.isListening { shutdown(self.listener, Int32(SHUT_RDWR)) }
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
        }
    }

    private func finish(_ connection: Int32) {
        self.state.withLock { state in
            state.connections.removeAll { $0 == connection }
            _ = close(connection)
        }
    }

    private func serve(_ connection: Int32) {
        var buffer: [UInt8] = []
        while let request = self.read(connection, &buffer) {
            let index = self.state.withLock { state in
                state.requests.append(request)
                return state.requests.count - 1
            }
            switch self.reply(index, request) {
            case .answer(let status, let headers, let body):
                var head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.count)\r\n"
                for (name, value) in headers { head += "\(name): \(value)\r\n" }
                guard self.write(connection, Array((head + "\r\n").utf8) + body) else { return }
            case .hang:
                var byte: UInt8 = 0
                _ = recv(connection, &byte, 1, 0)
                return
            case .close:
                shutdown(connection, Int32(SHUT_RDWR))
                return
            case .half:
                _ = self.write(connection, Array("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"part".utf8))
                shutdown(connection, Int32(SHUT_RDWR))
                return
            case .endless:
                guard self.write(connection, Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)) else {
                    return
                }
                let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 65_536) + Array("\r\n".utf8)
                while self.write(connection, chunk) { self.state.withLock { $0.sentByteCount += chunk.count } }
                return
            }
        }
    }

    private func write(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private func read(_ connection: Int32, _ buffer: inout [UInt8]) -> Request? {
        let end = Array("\r\n\r\n".utf8)
        var head: [String]?
        var bodyStart = 0
        while true {
            if head == nil, let range = buffer.firstRange(of: end) {
                head = String(decoding: buffer[..<range.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
                bodyStart = range.upperBound
            }
            if let head, let line = head.first?.split(separator: " "), line.count == 3 {
                var headers: [String: String] = [:]
                for field in head.dropFirst() {
                    let parts = field.split(separator: ":", maxSplits: 1)
                    headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                }
                let length = Int(headers["content-length"] ?? "0") ?? 0
                if buffer.count >= bodyStart + length {
                    let body = Array(buffer[bodyStart..<(bodyStart + length)])
                    buffer.removeFirst(bodyStart + length)
                    return Request(method: String(line[0]), path: String(line[1]), headers: headers, body: body)
                }
            }
            var part = [UInt8](repeating: 0, count: 65_536)
            let count = recv(connection, &part, part.count, 0)
            guard count > 0 else { return nil }
            buffer += part[..<count]
        }
    }
}
