// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The address of a Unix socket, as `NOTIFY_SOCKET` writes it.
struct UnixSocketAddress: Sendable {
    private let bytes: [UInt8]

    /// A socket at an absolute path, or, after an `@`, one of the abstract namespace; nil if it is neither, or too long.
    init?(name: String) {
        var bytes = Array(name.utf8)
        guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path), !bytes.contains(0)
        else {
            return nil
        }
        switch bytes[0] {
        case UInt8(ascii: "/"): bytes.append(0)
        case UInt8(ascii: "@"): bytes[0] = 0
        default: return nil
        }
        self.bytes = bytes
    }

    /// The address for a system call. In the abstract namespace the length is part of the name.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: self.bytes) }
        // Where the path begins: behind the family.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + self.bytes.count)
        return withUnsafePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
