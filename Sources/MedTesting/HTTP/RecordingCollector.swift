// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A collector of telemetry that remembers everything that comes, and takes it unless it is told otherwise.
package final class RecordingCollector: Sendable {
    /// What came in one request.
    package struct Delivery: Sendable {
        /// The target: `/v1/traces`.
        package let path: String
        /// The fields, by their names in small letters.
        package let fields: [String: String]
        /// The body, as it came.
        package let body: [UInt8]
    }

    private let listener: ThreadedListener
    private let recorded: Watched<[Delivery]>

    /// The port.
    package var port: Int { self.listener.port }

    /// Everything that has come to a path so far, one after the other.
    package func text(_ path: String) -> String {
        self.recorded.read { Self.text($0.filter { $0.path == path }) }
    }

    /// Everything that has come so far.
    package var everything: String { self.recorded.read(Self.text) }

    /// Every request so far.
    package var deliveries: [Delivery] { self.recorded.read { $0 } }

    private static func text(_ deliveries: [Delivery]) -> String {
        deliveries.map { String(decoding: $0.body, as: UTF8.self) }.joined(separator: "\n")
    }

    /// Listens on a free port.
    ///
    /// - Parameters:
    ///   - header: a header that every answer has, such as `Retry-After: 1`.
    ///   - status: what is answered to a request; 200 without it.
    package init(header: String = "Server: recorder", status: @escaping @Sendable (Delivery) -> Int = { _ in 200 })
        throws
    {
        let recorded = Watched<[Delivery]>([])
        self.recorded = recorded
        self.listener = try ThreadedListener { descriptor in
            answerRequests(on: descriptor) { request in
                let parts = request.startLine.split(separator: " ")
                let delivery = Delivery(
                    path: parts.count > 1 ? String(parts[1]) : "", fields: request.fields, body: request.body)
                recorded.update { $0.append(delivery) }
                return
                    "HTTP/1.1 \(String(format: "%03d", status(delivery))) Answered\r\n\(header)\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
            }
        }
    }

    /// Ends it, and all its connections.
    package func stop() { self.listener.stop() }
}
