// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// All connections of a server, and how many there may be.
///
/// At the limit, the connection that has been idle longest makes room for a new one. When none is idle, the new one
/// comes out of a reserve: it is accepted, so that probes are answered however busy the server is, and anything else
/// on it is refused.
final class ConnectionTable: Sendable {
    /// What a connection may do.
    enum Admission: Sendable {
        case normal
        /// Probes only, one each.
        case reserve
    }

    /// Not even the reserve has room: the connection is closed without an answer.
    struct Full: Error {}

    /// How many connections are accepted beyond the limit.
    static let reserveSize = 128

    private let limit: Int
    private let connections = Mutex<[ObjectIdentifier: HTTP1Connection]>([:])

    init(limit: Int) { self.limit = limit }

    /// Whether one more connection may be accepted at all.
    var hasRoom: Bool { self.connections.withLock { $0.count < self.limit + Self.reserveSize } }

    /// Enters a connection, and says what it may do. Makes room for it if it can.
    func add(_ new: HTTP1Connection) -> Admission {
        let (admission, victim) = self.connections.withLock { connections -> (Admission, HTTP1Connection?) in
            let isFull = connections.count >= self.limit
            defer { connections[ObjectIdentifier(new)] = new }
            guard isFull else { return (.normal, nil) }
            let now = NIODeadline.now().uptimeNanoseconds
            var oldest: (since: UInt64, connection: HTTP1Connection)?
            for connection in connections.values {
                let since = connection.idleSince.load(ordering: .relaxed)
                if since > 0, since <= now, since < oldest?.since ?? .max { oldest = (since, connection) }
            }
            guard let oldest else { return (.reserve, nil) }
            // Nobody else shall choose the same one while it closes.
            oldest.connection.idleSince.store(0, ordering: .relaxed)
            return (.normal, oldest.connection)
        }
        victim?.evict()
        return admission
    }

    func remove(_ connection: HTTP1Connection) {
        _ = self.connections.withLock { $0.removeValue(forKey: ObjectIdentifier(connection)) }
    }

    /// Closes every connection that waits for its next request.
    func closeKept() {
        for connection in self.connections.withLock({ Array($0.values) }) { connection.closeIfKept() }
    }
}
