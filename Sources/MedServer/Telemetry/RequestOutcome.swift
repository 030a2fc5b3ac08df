// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTelemetry
import NIOCore
import NIOHTTP1

/// A request that has ended, as metrics, the access log and traces tell of it: nothing in it comes from the path, the query, a field or
/// the body, but the name of the request.
struct RequestOutcome: Sendable {
    /// The status for a client that left before its answer was there: nginx's, which every tool knows.
    static let clientLeft = 499

    var method: HTTPMethod
    /// The pattern of the route.
    var route: String
    var status: Int
    var duration: TimeAmount
    /// How much of a body came, in bytes.
    var requestBytes: Int
    /// How much of a body was sent, in bytes.
    var responseBytes: Int
    /// The name of the request; none for probes.
    var requestID: String?
    var isProbe: Bool
    /// Whether its connection speaks TLS.
    var isSecure: Bool
    /// Where its span is, if it has one.
    var trace: TraceContext?
}

extension HTTPMethod {
    /// One of the methods that HTTP knows: any other is a caller's text, which could be anything, and makes as many series as they like.
    var label: String {
        switch self {
        case .GET, .HEAD, .POST, .PUT, .PATCH, .DELETE, .OPTIONS, .CONNECT, .TRACE: self.rawValue
        default: "_OTHER"
        }
    }
}
