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
            answerRequests(on: descriptor) { "HTTP/1.1 200 OK\r\nX-Origin: \($0)\r\nContent-Length: 0\r\n\r\n" }
        }
    }

    /// Ends it, and all its connections.
    package func stop() { self.listener.stop() }
}
