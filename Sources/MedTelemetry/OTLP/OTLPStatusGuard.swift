// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// Ends a connection whose answer has a status below 100, which HTTP does not have (RFC 9110, section 15).
///
/// async-http-client takes every status below 200 for one that only announces another answer, and traps when none comes: five bytes of a
/// collector, or of whoever stands between, would end the process.
final class OTLPStatusGuard: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    struct InvalidStatus: Error {}

    private var isRefused = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = Self.unwrapInboundIn(data), head.status.code < 100 {
            self.isRefused = true
            context.fireErrorCaught(InvalidStatus())
            context.close(promise: nil)
        }
        if !self.isRefused { context.fireChannelRead(data) }
    }

    /// Takes its place behind the decoder.
    static func add(to channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
            try pipeline.addHandler(OTLPStatusGuard(), position: .after(decoder))
        }
    }
}
