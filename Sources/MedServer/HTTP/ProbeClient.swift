// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks a server for one page, with one limit on the time for everything.
public enum ProbeClient {
    /// Where a server listens.
    public struct Target: Sendable, Equatable {
        /// A name or an address.
        public var host: String
        /// The port.
        public var port: Int

        /// Creates a target.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// Reads `http://HOST` or `http://HOST:PORT`, with or without a slash at the end; an IPv6 address in brackets.
        public init?(url: String) {
            guard url.hasPrefix("http://") else { return nil }
            var rest = url.dropFirst("http://".count)
            if rest.last == "/" { rest = rest.dropLast() }
            var host = rest
            var port = 80
            if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
                guard let number = Int(rest[rest.index(after: colon)...]), (1...65535).contains(number) else {
                    return nil
                }
                port = number
                host = rest[..<colon]
            }
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            guard !host.isEmpty, !host.contains(where: { "/?#@[]".contains($0) }) else { return nil }
            self.init(host: String(host), port: port)
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
            let group = MultiThreadedEventLoopGroup.singleton
            let answer = group.any().makePromise(of: Answer.self)
            let limit = TimeAmount(timeout)
            answer.futureResult.eventLoop.scheduleTask(in: limit) { answer.fail(ChannelError.connectTimeout(limit)) }
            ClientBootstrap(group: group)
                .connectTimeout(limit)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(
                            Handler(path: path, host: "\(target.host):\(target.port)", answer: answer)
                        )
                    }
                }
                .connect(host: target.host, port: target.port)
                .whenFailure { answer.fail($0) }
            return try await answer.futureResult.get()
        } catch {
            throw Failure(description: "\(target.host):\(target.port) gave no answer to \(path) within \(timeout).")
        }
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
