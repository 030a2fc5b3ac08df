// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Ports of this machine for servers that cannot be told to take any free one, or that have to come back on theirs.
package enum FreePort {
    /// The ones already given to somebody.
    private static let given = Mutex<Set<Int>>([])

    /// A port on which nobody listens, outside the range from which the system serves those who take any.
    package static func next() throws -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: 20_000..<32_000)
            let isNew = self.given.withLock { $0.insert(port).inserted }
            if isNew, self.isFree(port) { return port }
        }
        throw DrillError("No port is free.")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
