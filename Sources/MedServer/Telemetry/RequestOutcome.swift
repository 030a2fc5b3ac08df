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
    /// Where its span is, if it has one.
    var trace: TraceContext?

    /// The method as a label: one of those that HTTP knows, so that nobody can make series at will.
    var methodLabel: String {
        switch self.method {
        case .GET, .HEAD, .POST, .PUT, .PATCH, .DELETE, .OPTIONS, .CONNECT, .TRACE: self.method.rawValue
        default: "_OTHER"
        }
    }
}
