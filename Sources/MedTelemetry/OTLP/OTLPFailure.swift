// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// Why something was not taken.
public enum OTLPFailure: Sendable, Equatable, CustomStringConvertible {
    /// The collector answered with this status of HTTP.
    case status(Int)
    /// The name of its host leads to no address.
    case nameNotFound
    /// Nobody listens there, or no way leads there.
    case notConnected
    /// No connection by TLS: it is not trusted, does not trust us, or speaks no TLS.
    case noTLS
    /// No whole answer in time.
    case timeout
    /// The connection ended before the answer did.
    case brokenOff
    /// The queue was full.
    case noRoom
    /// An item was larger than a body may be.
    case tooLarge
    /// The collector took a part of a body and said that the rest cannot be used.
    case rejected

    /// What an error of the client means.
    init(_ error: any Error) {
        switch error {
        case let error as NIOConnectionError:
            self = error.connectionErrors.isEmpty ? .nameNotFound : .notConnected
        case let error as IOError: self = [ECONNRESET, EPIPE].contains(error.errnoCode) ? .brokenOff : .notConnected
        case ChannelError.connectTimeout: self = .timeout
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: self = .noTLS
        case let error as HTTPClientError:
            self =
                switch error {
                case .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .getConnectionFromPoolTimeout:
                    .timeout
                case .tlsHandshakeTimeout: .noTLS
                default: .brokenOff
                }
        default: self = .brokenOff
        }
    }

    public var description: String {
        switch self {
        case .status(let status): "The collector answered with status \(status)."
        case .nameNotFound: "The name of the collector's host was not found."
        case .notConnected: "The collector could not be reached: nobody listens there, or no way leads there."
        case .noTLS: "No TLS with the collector: a certificate is not trusted, or it speaks no TLS there."
        case .timeout: "The collector did not answer in time."
        case .brokenOff: "The connection to the collector ended before its answer did."
        case .noRoom: "The queue was full."
        case .tooLarge: "Items were larger than a request may be."
        case .rejected: "The collector took a part of a request and refused the rest."
        }
    }
}
