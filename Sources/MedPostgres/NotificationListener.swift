// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import Synchronization

/// The one connection that listens, for as long as somebody does; made again when it is lost.
///
/// Behind a pooler nobody can listen: then everybody is told to look every few seconds.
final class NotificationListener: Sendable {
    private let database: PostgresDatabase
    private let pollInterval: Duration
    private let hub: NotificationHub
    private let changes: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ database: PostgresDatabase, pollInterval: Duration) {
        self.database = database
        self.pollInterval = pollInterval
        let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        self.change = change
        self.hub = NotificationHub { change.yield() }
    }

    func listen(on channel: String) -> AsyncStream<DatabaseNotification> {
        let stream = self.hub.listen(on: channel)
        self.task.withLock { task in
            // Its own task: it belongs to the connection, not to the first who listens.
            if task == nil { task = Task { await self.run() } }
        }
        return stream
    }

    func end() {
        self.task.withLock { $0 }?.cancel()
        self.hub.end()
    }

    private func run() async {
        var pause = Duration.milliseconds(50)
        while !Task.isCancelled {
            if self.hub.channels.isEmpty {
                for await _ in self.changes { break }
                continue
            }
            let change = self.change
            do throws(DatabaseError) {
                let hub = self.hub
                let connection = try await self.database.openDirect(
                    onNotification: { hub.send(.message($1), on: $0) }, onLoss: { change.yield() })
                defer { connection.close() }
                if connection.isPooled {
                    connection.close()
                    await self.poll()
                } else {
                    try await self.serve(connection) { pause = .milliseconds(50) }
                }
            } catch {
                try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    /// Listens on what is wanted until the connection is lost, or nobody listens any more. `succeeded` hears when the server does listen: it
    /// may let us in and yet refuse that, as a standby does.
    private func serve(
        _ connection: PostgresConnection, succeeded: () -> Void
    ) async throws(DatabaseError) {
        var listening: Set<String> = []
        while !Task.isCancelled, connection.isConnected {
            let wanted = self.hub.channels
            if wanted.isEmpty { return }
            for channel in wanted.subtracting(listening) {
                // The server would listen on the beginning of a name that is too long (NAMEDATALEN), where nobody speaks.
                guard (1...63).contains(channel.utf8.count), !channel.utf8.contains(0) else {
                    self.hub.refuse(channel)
                    continue
                }
                do throws(DatabaseError) {
                    try await connection.command("LISTEN \(channel.quotedAsIdentifier)", limit: .seconds(5))
                } catch {
                    guard error.code == .invalidStatement else { throw error }
                    // A name that is none must not stop the others.
                    self.hub.refuse(channel)
                    continue
                }
                succeeded()
                // What was sent before the server listened on our behalf is lost.
                self.hub.send(.gap, on: channel)
            }
            for channel in listening.subtracting(wanted) {
                try await connection.command("UNLISTEN \(channel.quotedAsIdentifier)", limit: .seconds(5))
            }
            listening = wanted
            for await _ in self.changes { break }
        }
    }

    private func poll() async {
        while !Task.isCancelled, !self.hub.channels.isEmpty {
            self.hub.send(.gap, on: nil)
            try? await Task.sleep(for: self.pollInterval)
        }
    }
}
