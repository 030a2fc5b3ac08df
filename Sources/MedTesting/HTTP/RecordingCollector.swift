// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A collector of telemetry that takes everything and remembers it.
package final class RecordingCollector: Sendable {
    /// What came in one request.
    package struct Delivery: Sendable {
        /// The target: `/v1/traces`.
        package var path: String
        /// The body as text.
        package var body: String
    }

    private let listener: ThreadedListener
    private let recorded: Watched<[Delivery]>

    /// The port.
    package var port: Int { self.listener.port }

    /// Everything that has come to a path so far, one after the other.
    package func text(_ path: String) -> String {
        self.recorded.read { $0.filter { $0.path == path }.map(\.body).joined(separator: "\n") }
    }

    /// Everything that has come so far.
    package var everything: String { self.recorded.read { $0.map(\.body).joined(separator: "\n") } }

    /// Listens on a free port.
    package init() throws {
        let recorded = Watched<[Delivery]>([])
        self.recorded = recorded
        self.listener = try ThreadedListener { descriptor in
            answerRequests(on: descriptor) { request in
                let parts = request.startLine.split(separator: " ")
                let delivery = Delivery(
                    path: parts.count > 1 ? String(parts[1]) : "", body: String(decoding: request.body, as: UTF8.self))
                recorded.update { $0.append(delivery) }
                return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
            }
        }
    }

    /// Ends it, and all its connections.
    package func stop() { self.listener.stop() }
}
