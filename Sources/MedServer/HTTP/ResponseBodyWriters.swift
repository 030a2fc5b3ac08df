// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import NIOCore

/// Collects a short body, so that head and body leave in one write.
final class CollectingWriter: ResponseBodyWriter {
    private(set) var bytes = ByteBuffer()

    func write(_ buffer: ByteBuffer) async throws {
        var buffer = buffer
        if self.bytes.readableBytes == 0 {
            self.bytes = buffer
        } else {
            self.bytes.writeBuffer(&buffer)
        }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// Writes a long body part by part; each write waits until the socket has taken it.
///
/// It does not look at task cancellation: a handler that goes on after it was cancelled may still finish its answer.
struct StreamingWriter: ResponseBodyWriter {
    let carrier: any ExchangeCarrier
    let exchange: Exchange

    func write(_ buffer: ByteBuffer) async throws {
        try await self.carrier.writeBody(buffer, of: self.exchange).get()
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await self.carrier.endBody(of: self.exchange).get()
    }
}
