// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

enum FreePorts {
    /// Ports of this machine on which nobody listens just now, all different.
    static func find(_ count: Int) throws -> [Int] {
        // All are held until the last one is found, so that none is found twice.
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            descriptors.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
                }
            }
            guard isBound else { throw DrillError("No port is free.") }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
