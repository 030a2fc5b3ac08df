// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Who listens on which channel, for drivers.
public final class NotificationHub: Sendable {
    private struct State {
        var listeners: [Int: (channel: String, continuation: AsyncStream<DatabaseNotification>.Continuation)] = [:]
        var last = 0
    }

    /// How much one listener may be behind. Beyond it the oldest are lost, and a ``DatabaseNotification/gap`` says so.
    private static let limit = 1024

    private let state = Mutex(State())
    private let onChange: @Sendable () -> Void

    /// Creates a hub; `onChange` is called when there is a listener more, or one less.
    public init(onChange: @escaping @Sendable () -> Void = {}) { self.onChange = onChange }

    /// The channels on which somebody listens.
    public var channels: Set<String> { self.state.withLock { Set($0.listeners.values.map(\.channel)) } }

    /// What comes on a channel from now on, until the sequence is let go of.
    public func listen(on channel: String) -> AsyncStream<DatabaseNotification> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: DatabaseNotification.self, bufferingPolicy: .bufferingNewest(Self.limit))
        let number = self.state.withLock { state in
            state.last += 1
            state.listeners[state.last] = (channel, continuation)
            return state.last
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: number) }
            self?.onChange()
        }
        continuation.yield(.gap)
        self.onChange()
        return stream
    }

    /// Tells those who listen on a channel; all of them if it is nil.
    public func send(_ notification: DatabaseNotification, on channel: String?) {
        let listeners = self.state.withLock { Array($0.listeners.values) }
        for listener in listeners where channel == nil || listener.channel == channel {
            if case .dropped = listener.continuation.yield(notification) { listener.continuation.yield(.gap) }
        }
    }

    /// Ends the sequences of a channel that there cannot be.
    public func refuse(_ channel: String) {
        let listeners = self.state.withLock { $0.listeners.values.filter { $0.channel == channel } }
        for listener in listeners { listener.continuation.finish() }
    }

    /// Ends all sequences.
    public func end() {
        let listeners = self.state.withLock { state in
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.continuation.finish() }
    }
}
