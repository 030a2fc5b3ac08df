// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A port of this machine on which somebody listens and nobody ever answers.
package final class SilentListener: Sendable {
    /// The port.
    package let port: Int
    private let descriptor: Int32

    /// Listens on a free port.
    package init() throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (descriptor, length) = (self.descriptor, size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard result else { throw HarnessError.system("Listening", errno) }
        self.port = Int(address.sin_port.bigEndian)
    }

    deinit { close(self.descriptor) }
}
