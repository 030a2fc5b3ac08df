// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting

/// A probe by HTTP, as kubelet makes it: a connection of its own, and a time limit for all of it.
struct ProbeRequest: Sendable {
    let port: Int
    let path: String
    let timeout: Duration

    /// Whether the answer has a status from 200 to 399, and comes in time.
    func succeeds() async -> Bool {
        let status = try? await onThread { self.status() }
        return (200..<400).contains((status ?? nil) ?? 0)
    }

    private func status() -> Int? {
        let end = ContinuousClock.now + self.timeout
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard self.connect(descriptor) else { return nil }
        let request = Array("GET \(self.path) HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        // "HTTP/1.1 200"
        while received.count < 12 {
            let left = end - ContinuousClock.now
            guard left > .zero, self.limit(descriptor, SO_RCVTIMEO, left) else { return nil }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            received += buffer[..<count]
        }
        return Int(String(decoding: received[9..<12], as: UTF8.self))
    }

    private func connect(_ descriptor: Int32) -> Bool {
        guard self.limit(descriptor, SO_SNDTIMEO, self.timeout) else { return false }
        return Loopback.connect(descriptor, port: self.port) == 0
    }

    private func limit(_ descriptor: Int32, _ option: Int32, _ duration: Duration) -> Bool {
        let microseconds = max(1, Int(duration / .microseconds(1)))
        var time = timeval(tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000)
        return setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size)) == 0
    }
}
