// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Sees the bytes of a connection before the parser does: tells when a request's head begins, and throws bytes away
/// once nothing more is to be parsed.
final class ByteTap: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: HTTP1Connection

    init(connection: HTTP1Connection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.connection.takesBytes(self.unwrapInboundIn(data)) { context.fireChannelRead(data) }
    }
}
