// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A server that does with each request what the test says, most of it wrong.
package final class FaultyServer: Sendable {
    /// What it does with a request.
    package enum Behaviour: CaseIterable, Sendable {
        case answers, saysClose, closesLater, sendsChunks, fails, isBusy, saysLater
        case cutsLength, cutsChunks, cutsHead, resetsInBody, sendsTooMuch, sendsNoHTTP
        case drops, neverReads, isSilent
    }

    /// The port.
    package let port: Int
    private let listener: Int32
    private let open = Mutex<Set<Int32>>([])
    private let count = Atomic(0)

    /// How many connections it has accepted.
    package var accepted: Int { self.count.load(ordering: .relaxed) }

    /// Serves on a free port; `behaviour` is asked with the `X-Sequence` of each request.
    package init(_ behaviour: @escaping @Sendable (Int) -> Behaviour) throws {
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (listener, length) = (self.listener, size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard result else { throw HarnessError.system("Listening", errno) }
        self.port = Int(address.sin_port.bigEndian)
        Thread.detachNewThread { self.accept(behaviour) }
    }

    /// Accepts nobody any more, and ends all connections.
    package func stop() {
        shutdown(self.listener, Int32(SHUT_RDWR))
        self.open.withLock { open in for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private func accept(_ behaviour: @escaping @Sendable (Int) -> Behaviour) {
        while true {
            var waiting = pollfd(fd: self.listener, events: Int16(POLLIN), revents: 0)
            while poll(&waiting, 1, -1) < 0 && errno == EINTR {}
            // There no process is started meanwhile, which would inherit the connection and keep it open.
            let accepted = try? SpawnThread.shared.run { [listener = self.listener] in
                let descriptor = Foundation.accept(listener, nil, nil)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                return descriptor
            }
            guard let descriptor = accepted, descriptor >= 0 else { break }
            self.count.add(1, ordering: .relaxed)
            self.open.withLock { _ = $0.insert(descriptor) }
            Thread.detachNewThread {
                while Self.serve(descriptor, behaviour) {}
                self.open.withLock { open in
                    open.remove(descriptor)
                    close(descriptor)
                }
            }
        }
        close(self.listener)
    }

    /// Serves one request; false when the connection is to end.
    private static func serve(_ descriptor: Int32, _ behaviour: (Int) -> Behaviour) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // A request comes in one piece here. It stays unread until it is known what is to become of it.
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_PEEK))
        guard count > 0 else { return false }
        let request = String(decoding: bytes[..<count], as: UTF8.self)
        guard let field = request.firstMatch(of: /X-Sequence: ([0-9]+)/), let sequence = Int(field.1) else {
            return false
        }
        let behaviour = behaviour(sequence)
        if behaviour == .neverReads { return false }
        _ = recv(descriptor, &bytes, count, 0)
        switch behaviour {
        case .answers: return self.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", descriptor)
        case .sendsChunks:
            // In pieces, as they come over a network.
            for piece in ["HTTP/1.1 200 OK\r\nTransfer-Enc", "oding: chunked\r\n\r", "\n2\r\nok\r", "\n0\r\n", "\r\n"] {
                _ = self.send(piece, descriptor)
                usleep(500)
            }
            return true
        case .fails: return self.send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", descriptor)
        case .isBusy: return self.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n", descriptor)
        case .saysClose:
            return self.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", descriptor)
        case .closesLater:
            _ = self.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", descriptor)
            usleep(1000)
            return false
        case .saysLater:
            return self.end(
                "HTTP/1.1 503 Later\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n", descriptor)
        case .cutsLength: return self.end("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", descriptor)
        case .cutsChunks:
            return self.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", descriptor)
        case .cutsHead: return self.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", descriptor)
        case .resetsInBody:
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            _ = self.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", descriptor)
            // What has been sent has to arrive before the reset, which discards it.
            usleep(20_000)
            return false
        case .sendsTooMuch: return self.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", descriptor)
        case .sendsNoHTTP: return self.send("SSH-2.0-server\r\n\r\n", descriptor)
        case .drops, .neverReads: return false
        case .isSilent: return true
        }
    }

    private static func send(_ text: String, _ descriptor: Int32) -> Bool {
        Foundation.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) >= 0
    }

    private static func end(_ text: String, _ descriptor: Int32) -> Bool {
        _ = self.send(text, descriptor)
        return false
    }
}
