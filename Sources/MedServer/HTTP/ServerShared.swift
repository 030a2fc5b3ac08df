// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import Logging
import MedRuntime
import NIOCore

/// What every connection of a server shares.
struct ServerShared: Sendable {
    var probes: Probes
    var lifecycle: Lifecycle
    var table: ConnectionTable
    var loops: EventLoops
    var logger: Logger
    var limits: ConnectionLimits
    /// Whom the server believes, and whom it shows how it is.
    var access: Settings.Access
    /// Hears of every request that has ended.
    var telemetry: RequestTelemetry
    var respond: @Sendable (Request, any Channel, EndpointPath) async -> Response
    /// The same for the few requests of the management port that are no probes.
    var manage: @Sendable (Request, any Channel, EndpointPath) async -> Response
    let date = DateHeader()
}

/// What a server takes from its clients.
struct ConnectionLimits: Sendable {
    /// How long the head of a request may take, the TLS handshake before the first one included.
    var headerTimeout: TimeAmount
    /// How long a connection may wait for its next request.
    var idleTimeout: TimeAmount
    /// How long a client may neither send nor take a byte of a body.
    var bodyTimeout: TimeAmount
    /// The most that the body of a request may have, in bytes.
    var maxBodySize: Int
    /// The most that the request line and all header fields together may have, in bytes.
    var maxHeaderSize: Int
    /// How many requests a connection may carry; nil for as many as the client likes.
    var maxRequests: Int?

    /// The longest request line, in bytes.
    static let maxLineSize = 16 * 1024
    /// How long a client has to close a connection that ends, or to take the last of an answer in the last phase of a
    /// shutdown.
    static let lingerTime = TimeAmount.seconds(1)
    /// A body up to this size leaves with the head in one write.
    static let wholeBodySize = 64 * 1024
}

extension ConnectionLimits {
    init(_ settings: Settings.HTTP) {
        self.headerTimeout = TimeAmount(settings.headerTimeout)
        self.idleTimeout = TimeAmount(settings.idleTimeout)
        self.bodyTimeout = TimeAmount(settings.bodyTimeout)
        self.maxBodySize = settings.maxBodyBytes
        self.maxHeaderSize = settings.maxHeaderBytes
        self.maxRequests = settings.maxRequestsPerConnection
    }
}
