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

    private let listener: ThreadedListener
    private let count: Counter

    /// The port.
    package var port: Int { self.listener.port }

    /// How many connections it has accepted.
    package var accepted: Int { self.count.value.load(ordering: .relaxed) }

    /// Serves on a free port; `behaviour` is asked with the `X-Sequence` of each request.
    package init(_ behaviour: @escaping @Sendable (Int) -> Behaviour) throws {
        let count = Counter()
        self.count = count
        self.listener = try ThreadedListener { descriptor in
            count.value.add(1, ordering: .relaxed)
            while Self.serve(descriptor, behaviour) {}
        }
    }

    /// Accepts nobody any more, and ends all connections.
    package func stop() { self.listener.stop() }

    private final class Counter: Sendable { let value = Atomic(0) }

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
