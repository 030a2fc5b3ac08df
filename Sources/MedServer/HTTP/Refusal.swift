// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOHTTP1

/// An answer that the connection gives by itself, because the request never reaches the application.
enum Refusal {
    case badRequest
    case notFound
    case bodyTooLarge
    case uriTooLong
    case headersTooLarge
    case requestTimeout
    case expectationFailed
    case shuttingDown
    case tooManyConnections
    case stalled

    var status: HTTPResponseStatus {
        switch self {
        case .badRequest: .badRequest
        case .notFound: .notFound
        case .bodyTooLarge: .payloadTooLarge
        case .uriTooLong: .uriTooLong
        case .headersTooLarge: .requestHeaderFieldsTooLarge
        case .requestTimeout: .requestTimeout
        case .expectationFailed: .expectationFailed
        case .shuttingDown, .tooManyConnections, .stalled: .serviceUnavailable
        }
    }

    /// The value of `error` in the body.
    var code: String {
        switch self {
        case .badRequest: "bad_request"
        case .notFound: "not_found"
        case .bodyTooLarge: "body_too_large"
        case .uriTooLong: "uri_too_long"
        case .headersTooLarge: "headers_too_large"
        case .requestTimeout: "request_timeout"
        case .expectationFailed: "expectation_failed"
        case .shuttingDown: "shutting_down"
        case .tooManyConnections: "too_many_connections"
        case .stalled: "unavailable"
        }
    }

    /// Says that a request never reached the application.
    static let header = "X-Request-Refused"

    /// What the answer says beside its status: for the server's own sake, and not the request's, that after a second it is worth asking again,
    /// another replica or this one when it has room.
    ///
    /// ``header`` tells a proxy what no status of HTTP/1.1 does, as `REFUSED_STREAM` in HTTP/2 (RFC 9113, section 8.7): nothing has
    /// been done yet, so whatever the method is, the request may be sent to somebody else.
    var headers: [(String, String)] {
        switch self {
        case .shuttingDown, .tooManyConnections, .stalled:
            [("Retry-After", "1"), (Self.header, self.code)]
        default: []
        }
    }
}
