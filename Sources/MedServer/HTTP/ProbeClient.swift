// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Asks a server for one page, with one limit on the time for everything.
public enum ProbeClient {
    /// Where a server listens.
    public struct Target: Sendable, Equatable {
        /// A name or an address.
        public var host: String
        /// The port.
        public var port: Int
        /// Whether it speaks TLS.
        public var isSecure: Bool
        /// Whether its certificate must be one that this machine trusts, for this name. Not so for a server that is asked
        /// on its own machine by an address.
        public var verifiesCertificate: Bool

        /// Creates a target.
        public init(host: String, port: Int, isSecure: Bool = false, verifiesCertificate: Bool = true) {
            self.host = host
            self.port = port
            self.isSecure = isSecure
            self.verifiesCertificate = verifiesCertificate
        }

        /// Reads `http://HOST` or `https://HOST`, with or without `:PORT` and with or without a slash at the end; an IPv6
        /// address in brackets.
        public init?(url: String) {
            let isSecure = url.hasPrefix("https://")
            guard isSecure || url.hasPrefix("http://") else { return nil }
            var rest = url.dropFirst(isSecure ? "https://".count : "http://".count)
            if rest.last == "/" { rest = rest.dropLast() }
            var host = rest
            var port = isSecure ? 443 : 80
            if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
                guard let number = Int(rest[rest.index(after: colon)...]), (1...65535).contains(number) else {
                    return nil
                }
                port = number
                host = rest[..<colon]
            }
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            guard !host.isEmpty, !host.contains(where: { "/?#@[]".contains($0) }) else { return nil }
            self.init(host: String(host), port: port, isSecure: isSecure)
        }

        /// Host and port as a URL and a `Host` field have them.
        var authority: String {
            self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
        }
    }

    /// What came back.
    public struct Answer: Sendable, Equatable {
        /// The status code.
        public var status: Int
        /// The body.
        public var body: String
    }

    /// Why nothing came back.
    public struct Failure: Error, CustomStringConvertible {
        /// A sentence for standard error.
        public let description: String
    }

    /// Sends a GET and waits for the whole answer, `timeout` at most.
    public static func ask(_ path: String, of target: Target, timeout: Duration) async throws(Failure) -> Answer {
        do {
            let tls = target.isSecure ? try Self.context(for: target) : nil
            let group = MultiThreadedEventLoopGroup.singleton
            let answer = group.any().makePromise(of: Answer.self)
            let limit = TimeAmount(timeout)
            answer.futureResult.eventLoop.scheduleTask(in: limit) { answer.fail(ChannelError.connectTimeout(limit)) }
            ClientBootstrap(group: group)
                .connectTimeout(limit)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        if let tls {
                            // An address is no name that a client may send (RFC 6066 §3).
                            let isName = (try? SocketAddress(ipAddress: target.host, port: 0)) == nil
                            try pipeline.addHandler(
                                NIOSSLClientHandler(context: tls, serverHostname: isName ? target.host : nil)
                            )
                        }
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(Handler(path: path, host: target.authority, answer: answer))
                    }
                }
                .connect(host: target.host, port: target.port)
                .whenFailure { answer.fail($0) }
            return try await answer.futureResult.get()
        } catch ChannelError.connectTimeout {
            throw Failure(
                description: "\(target.authority) gave no answer to \(path) within \(timeout.secondsText) seconds.")
        } catch is NIOSSLError, is BoringSSLError, is NIOSSLExtraError {
            throw Failure(description: "\(target.authority) could not be asked for \(path): TLS failed.")
        } catch {
            throw Failure(description: "\(target.authority) could not be asked for \(path): nobody answers there.")
        }
    }

    private static func context(for target: Target) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if !target.verifiesCertificate { configuration.certificateVerification = .none }
        return try NIOSSLContext(configuration: configuration)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias OutboundOut = HTTPClientRequestPart

        private let path: String
        private let host: String
        private let answer: EventLoopPromise<Answer>
        private var status = 0
        private var body = ByteBuffer()

        init(path: String, host: String, answer: EventLoopPromise<Answer>) {
            self.path = path
            self.host = host
            self.answer = answer
        }

        func channelActive(context: ChannelHandlerContext) {
            let headers: HTTPHeaders = ["Host": self.host, "Connection": "close"]
            let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: self.path, headers: headers)
            context.write(self.wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch self.unwrapInboundIn(data) {
            case .head(let head):
                self.status = Int(head.status.code)
            case .body(var bytes):
                // A page of this size is none of ours.
                if self.body.readableBytes < 1024 * 1024 { self.body.writeBuffer(&bytes) }
            case .end:
                self.answer.succeed(Answer(status: self.status, body: String(buffer: self.body)))
                context.close(promise: nil)
            }
        }

        func channelInactive(context: ChannelHandlerContext) { self.answer.fail(ChannelError.eof) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            self.answer.fail(error)
            context.close(promise: nil)
        }
    }
}
