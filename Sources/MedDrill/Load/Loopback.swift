// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The system calls that take an address, for ports of 127.0.0.1.
package enum Loopback {
    /// Connects a socket.
    ///
    /// - Returns: 0, or the system's number for why not; `EINPROGRESS` for one that does not block.
    package static func connect(_ descriptor: Int32, port: Int) -> Int32 {
        self.withAddress(port: port) { Foundation.connect(descriptor, $0, $1) == 0 ? 0 : errno }
    }

    /// Has a socket listen, on any port that is free.
    ///
    /// - Returns: the port; nil if it cannot, and `errno` says why.
    package static func listen(_ descriptor: Int32, backlog: Int32) -> Int? {
        let isListening = self.withAddress(port: 0) {
            bind(descriptor, $0, $1) == 0 && Foundation.listen(descriptor, backlog) == 0
        }
        guard isListening else { return nil }
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) == 0 }
        }
        return isKnown ? Int(address.sin_port.bigEndian) : nil
    }

    private static func withAddress<Result>(
        port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
