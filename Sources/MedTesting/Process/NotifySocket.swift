// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// The service manager's end of `sd_notify`: what it is told waits in its socket until a test reads it.
///
/// ```swift
/// let socket = try NotifySocket(in: folder)
/// let server = try startServer(["NOTIFY_SOCKET": socket.name])
/// #expect(try await socket.next().contains("READY=1"))
/// ```
package final class NotifySocket: Sendable {
    /// The value of `NOTIFY_SOCKET`.
    package let name: String
    private let descriptor: Int32

    /// Makes a socket in a folder; without one, in the abstract namespace.
    package init(in folder: URL? = nil) throws {
        let own = "medbuilder-\(UUID().uuidString)"
        self.name = folder.map { $0.appending(path: "notify").path } ?? "@\(own)"
        self.descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard self.descriptor >= 0 else { throw HarnessError.system("socket", errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // The zero of an abstract name is its first byte, that of a path its last.
        var bytes = Array(self.name.utf8)
        if folder == nil { bytes[0] = 0 } else { bytes.append(0) }
        guard bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else {
            throw HarnessError(.system, "The path of the socket is too long: \(self.name)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let descriptor = self.descriptor
        let result = withUnsafePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard result == 0 else { throw HarnessError.system("bind", errno) }
        var patience = timeval(tv_sec: Int(TestPatience.seconds), tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(self.descriptor) }

    /// The next message, as its lines; waits for it.
    package func next() async throws -> [String] {
        try await onThread {
            guard let lines = self.receive(flags: 0) else { throw HarnessError.system("Waiting for a message", errno) }
            return lines
        }
    }

    /// The next message that holds this line; those before it are dropped.
    @discardableResult
    package func next(with line: String) async throws -> [String] {
        while true {
            let lines = try await self.next()
            if lines.contains(line) { return lines }
        }
    }

    /// The messages that have come and were not read, which they are now.
    package func takeAll() -> [[String]] {
        var messages: [[String]] = []
        while let lines = self.receive(flags: Int32(MSG_DONTWAIT)) { messages.append(lines) }
        return messages
    }

    private func receive(flags: Int32) -> [String]? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(self.descriptor, &bytes, bytes.count, flags)
        guard count >= 0 else { return nil }
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
