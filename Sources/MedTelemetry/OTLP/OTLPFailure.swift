// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Why something was not taken.
public enum OTLPFailure: Sendable, Hashable, CustomStringConvertible {
    /// The collector answered with this status of HTTP.
    case status(Int)
    /// What came is no answer of HTTP.
    case invalidAnswer
    /// The name of its host leads to no address.
    case hostNotFound
    /// Nobody listens there, or no way leads there.
    case connectionFailed
    /// No connection by TLS: it is not trusted, does not trust us, or speaks no TLS.
    case tlsFailed
    /// No whole answer in time.
    case timeout
    /// The connection ended before the answer did.
    case connectionClosed
    /// The queue was full.
    case queueFull
    /// An item was larger than a body may be.
    case tooLarge
    /// The collector took a part of a body and said that the rest cannot be used.
    case partiallyRejected
    /// What an earlier process had left could not be read.
    case unreadable
    /// The process ended before the collector had it.
    case shutDown
    /// The same, and it could not be kept in the state folder either.
    case notSpooled
    /// It came when the last had been sent.
    case afterShutdown

    /// What an error of the client means.
    init(_ error: any Error) {
        switch error {
        case is CancellationError: self = .shutDown
        case let error as NIOConnectionError:
            self = error.connectionErrors.isEmpty ? .hostNotFound : .connectionFailed
        case let error as IOError:
            self = [ECONNRESET, EPIPE].contains(error.errnoCode) ? .connectionClosed : .connectionFailed
        case ChannelError.connectTimeout: self = .timeout
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: self = .tlsFailed
        case is OTLPStatusGuard.InvalidStatus: self = .invalidAnswer
        // The parser says so, too, of an answer that ends too early.
        case let error as HTTPParserError where error != .invalidEOFState: self = .invalidAnswer
        case let error as HTTPClientError:
            self =
                switch error {
                case .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .getConnectionFromPoolTimeout:
                    .timeout
                case .tlsHandshakeTimeout: .tlsFailed
                case .cancelled, .alreadyShutdown: .shutDown
                default: .connectionClosed
                }
        default: self = .connectionClosed
        }
    }

    public var description: String {
        switch self {
        case .status(let status): "The collector answered with status \(status)."
        case .invalidAnswer: "What the collector answered is not HTTP."
        case .hostNotFound: "The name of the collector's host was not found."
        case .connectionFailed: "The collector could not be reached: nobody listens there, or no way leads there."
        case .tlsFailed: "No TLS with the collector: a certificate is not trusted, or it speaks no TLS there."
        case .timeout: "The collector did not answer in time."
        case .connectionClosed: "The connection to the collector ended before its answer did."
        case .queueFull: "The queue was full."
        case .tooLarge: "Items were larger than a request may be."
        case .partiallyRejected: "The collector took a part of a request and refused the rest."
        case .unreadable: "What an earlier process had left for the collector could not be read."
        case .shutDown: "The process ended before the collector had it."
        case .notSpooled:
            "The process ended before the collector had it, and the state folder had no room for it or could not be written."
        case .afterShutdown: "It came when the process had sent its last."
        }
    }
}
