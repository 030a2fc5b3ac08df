// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import Synchronization

/// A free port of this machine, each of whose connections gets a thread of its own.
final class ThreadedListener: Sendable {
    /// The port.
    let port: Int
    private let listener: Int32
    private let open = Mutex<Set<Int32>>([])

    /// Listens; `serve` is called with the descriptor of each connection, which ends when it returns.
    init(_ serve: @escaping @Sendable (Int32) -> Void) throws {
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard let port = Loopback.listen(self.listener, backlog: 512) else {
            throw HarnessError.system("Listening", errno)
        }
        self.port = port
        Thread.detachNewThread { self.accept(serve) }
    }

    /// Accepts nobody any more, and ends all connections.
    func stop() {
        shutdown(self.listener, Int32(SHUT_RDWR))
        self.open.withLock { open in for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private func accept(_ serve: @escaping @Sendable (Int32) -> Void) {
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
            self.open.withLock { _ = $0.insert(descriptor) }
            Thread.detachNewThread {
                serve(descriptor)
                self.open.withLock { open in
                    open.remove(descriptor)
                    close(descriptor)
                }
            }
        }
        close(self.listener)
    }
}

/// Answers each request of a connection with the text that `answer` gives; one whose framing is unclear with 400, and then it ends.
func answerRequests(on descriptor: Int32, _ answer: (MessageScanner.Message) -> String) {
    var bytes: [UInt8] = []
    while case let more = receive(from: descriptor), !more.isEmpty {
        bytes += more
        let scanned = MessageScanner(bytes)
        bytes.removeFirst(scanned.length)
        for request in scanned.messages {
            guard send(Array(answer(request).utf8), to: descriptor) else { return }
        }
        if scanned.rest == .unclear {
            let refusal = "HTTP/1.1 400 Unclear\r\nX-Origin: yes\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            _ = send(Array(refusal.utf8), to: descriptor)
            return
        }
    }
}

/// Receives some bytes; empty when nothing more will come.
func receive(from descriptor: Int32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count < 0 && errno == EINTR { continue }
        return count > 0 ? Array(bytes[..<count]) : []
    }
}

/// Sends all of it; false when nobody takes it.
func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
        let count = bytes[sent...].withUnsafeBytes {
            Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { return false }
        sent += count
    }
    return true
}
