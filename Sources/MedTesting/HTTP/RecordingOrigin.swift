// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A server behind a proxy that answers every request with 200 and what it took it for.
package final class RecordingOrigin: Sendable {
    private let listener: ThreadedListener

    /// The port.
    package var port: Int { self.listener.port }

    /// Serves on a free port.
    package init() throws {
        self.listener = try ThreadedListener { descriptor in
            var bytes: [UInt8] = []
            while true {
                let more = receive(from: descriptor)
                if more.isEmpty { return }
                bytes += more
                let scanned = MessageScanner(bytes)
                bytes.removeFirst(scanned.length)
                for request in scanned.messages {
                    let answer = "HTTP/1.1 200 OK\r\nX-Origin: \(request)\r\nContent-Length: 0\r\n\r\n"
                    guard send(Array(answer.utf8), to: descriptor) else { return }
                }
                if scanned.rest == .unclear {
                    let answer =
                        "HTTP/1.1 400 Unclear\r\nX-Origin: yes\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    _ = send(Array(answer.utf8), to: descriptor)
                    return
                }
            }
        }
    }

    /// Ends it, and all its connections.
    package func stop() { self.listener.stop() }
}
