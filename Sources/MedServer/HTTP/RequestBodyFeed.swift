// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The body of a request on its way from the event loop to the handler, with the handler's pace passed on to the socket.
///
/// Used on the connection's event loop only.
struct RequestBodyFeed {
    typealias Sequence = NIOThrowingAsyncSequenceProducer<
        ByteBuffer, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, Delegate
    >

    /// Tells the connection that the handler can take more.
    struct Delegate: NIOAsyncSequenceProducerDelegate {
        let resume: @Sendable () -> Void

        func produceMore() { self.resume() }
        func didTerminate() { self.resume() }
    }

    private let source: Sequence.Source
    /// Whether the handler has as much as it wants for now.
    private(set) var isFull = false

    /// Creates a body; `resume` is called, from any thread, when the handler can take more.
    static func make(resume: @escaping @Sendable () -> Void) -> (feed: RequestBodyFeed, sequence: Sequence) {
        let made = Sequence.makeSequence(
            elementType: ByteBuffer.self,
            failureType: (any Error).self,
            backPressureStrategy: .init(lowWatermark: 2, highWatermark: 8),
            finishOnDeinit: true,
            delegate: Delegate(resume: resume)
        )
        return (RequestBodyFeed(source: made.source), made.sequence)
    }

    private init(source: Sequence.Source) { self.source = source }

    mutating func append(_ bytes: ByteBuffer) {
        switch self.source.yield(bytes) {
        case .produceMore, .dropped: self.isFull = false
        case .stopProducing: self.isFull = true
        }
    }

    mutating func hasRoom() { self.isFull = false }

    func finish() { self.source.finish() }

    func fail(_ error: any Error) { self.source.finish(error) }
}

/// The client left, or the connection broke, before the whole body had come.
struct RequestBodyIncomplete: Error {}

/// The body has more bytes than the server takes.
struct RequestBodyTooLarge: Error {}

/// The client did not go on with the body in time.
struct RequestBodyTimedOut: Error {}
