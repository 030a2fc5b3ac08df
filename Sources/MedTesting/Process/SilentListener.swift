// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill

/// A port of this machine on which somebody listens and nobody ever answers.
package final class SilentListener: Sendable {
    /// The port.
    package let port: Int
    private let descriptor: Int32

    /// Listens on a free port.
    package init() throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard let port = Loopback.listen(self.descriptor, backlog: 16) else {
            throw HarnessError.system("Listening", errno)
        }
        self.port = port
    }

    deinit { close(self.descriptor) }
}
