// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Testing

@testable import MedTelemetry

@Suite struct OTLPFailureTests {
    private struct Other: Error {}

    @Test func `an error of the client is what it means for the collector`() {
        let errors: [(any Error, OTLPFailure)] = [
            (CancellationError(), .shutDown), (HTTPClientError.cancelled, .shutDown),
            (HTTPClientError.alreadyShutdown, .shutDown),
            (IOError(errnoCode: ECONNRESET, reason: ""), .connectionClosed),
            (IOError(errnoCode: EPIPE, reason: ""), .connectionClosed),
            (IOError(errnoCode: ECONNREFUSED, reason: ""), .connectionFailed),
            (IOError(errnoCode: EHOSTUNREACH, reason: ""), .connectionFailed),
            (ChannelError.connectTimeout(.seconds(1)), .timeout), (HTTPClientError.connectTimeout, .timeout),
            (HTTPClientError.readTimeout, .timeout), (HTTPClientError.deadlineExceeded, .timeout),
            (HTTPClientError.getConnectionFromPoolTimeout, .timeout),
            (HTTPClientError.tlsHandshakeTimeout, .tlsFailed),
            (NIOSSLError.handshakeFailed(.sslError([])), .tlsFailed), (BoringSSLError.zeroReturn, .tlsFailed),
            (OTLPStatusGuard.InvalidStatus(), .invalidAnswer), (HTTPParserError.invalidStatus, .invalidAnswer),
            (HTTPParserError.invalidEOFState, .connectionClosed),
            (HTTPClientError.remoteConnectionClosed, .connectionClosed), (Other(), .connectionClosed),
        ]
        for (error, failure) in errors { #expect(OTLPFailure(error) == failure, "\(error)") }
    }

    @Test func `a host that is not found and one that nobody listens on are told apart`() async throws {
        let client = HTTPClient(
            eventLoopGroupProvider: .shared(HTTPClient.defaultEventLoopGroup), configuration: OTLPSender.configuration)
        func failure(_ url: String) async -> OTLPFailure? {
            do {
                _ = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(60))
                return nil
            } catch {
                return OTLPFailure(error)
            }
        }
        #expect(await failure("http://nowhere.invalid") == .hostNotFound)
        let collector = try Collector()
        collector.stop()
        #expect(await failure(collector.url) == .connectionFailed)
        let plain = try Collector { _, _ in .close }
        defer { plain.stop() }
        #expect(await failure(plain.url) == .connectionClosed)
        let strange = try Collector { _, _ in .answer(42) }
        defer { strange.stop() }
        #expect(await failure(strange.url) == .invalidAnswer)
        try await client.shutdown()
    }

    @Test func `every reason is a sentence of its own`() {
        let all: [OTLPFailure] = [
            .status(500), .invalidAnswer, .hostNotFound, .connectionFailed, .tlsFailed, .timeout, .connectionClosed,
            .queueFull, .tooLarge, .partiallyRejected, .unreadable, .shutDown, .notSpooled,
            .afterShutdown,
        ]
        #expect(Set(all.map(\.description)).count == all.count)
        #expect(all.allSatisfy { $0.description.hasSuffix(".") })
    }
}
