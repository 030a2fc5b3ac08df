// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill

/// A port that passes everything on to another one, in both directions, and remembers what it was.
package final class RecordingRelay: Sendable {
    /// What went over one connection.
    package struct Connection: Sendable {
        /// What the client sent.
        package internal(set) var sent: [UInt8] = []
        /// What it got back.
        package internal(set) var received: [UInt8] = []
        /// Whether the server ended the connection, or both did.
        package internal(set) var isOver = false
    }

    private let listener: ThreadedListener
    private let recorded: Watched<[Connection]>
    private let swallowing = Watched(false)
    private let swallowingNewcomers = Watched(false)

    /// The port.
    package var port: Int { self.listener.port }

    /// Relays to another port of this machine.
    package init(to port: Int) throws {
        let recorded = Watched<[Connection]>([])
        self.recorded = recorded
        let swallowing = self.swallowing
        let swallowingNewcomers = self.swallowingNewcomers
        self.listener = try ThreadedListener { client in
            guard let server = try? Self.connect(to: port) else { return }
            let index = recorded.update { connections in
                connections.append(Connection())
                return connections.count - 1
            }
            let isSwallowed = swallowingNewcomers.read(\.self)
            let isSent = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                defer { isSent.signal() }
                while case let bytes = receive(from: client), !bytes.isEmpty {
                    recorded.update { $0[index].sent += bytes }
                    if isSwallowed || swallowing.read(\.self) { continue }
                    guard send(bytes, to: server) else { break }
                }
                shutdown(server, Int32(SHUT_WR))
            }
            while case let bytes = receive(from: server), !bytes.isEmpty {
                recorded.update { $0[index].received += bytes }
                if isSwallowed || swallowing.read(\.self) { continue }
                guard send(bytes, to: client) else { break }
            }
            for descriptor in [client, server] { shutdown(descriptor, Int32(SHUT_RDWR)) }
            isSent.wait()
            close(server)
            recorded.update { $0[index].isOver = true }
        }
    }

    /// Whether it takes everything and passes nothing on, as a network does that has lost its way.
    package func swallow(_ swallows: Bool) { self.swallowing.update { $0 = swallows } }

    /// Whether it does so with the connections that are made from now on, until they end.
    package func swallowNewcomers(_ swallows: Bool) { self.swallowingNewcomers.update { $0 = swallows } }

    /// Ends all connections, waits until they are over, and gives them.
    package func stop() async throws -> [Connection] {
        self.listener.stop()
        return try await self.recorded.wait(for: "the relayed connections to end") { connections in
            connections.allSatisfy(\.isOver) ? connections : nil
        }
    }

    private static func connect(to port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let result = Loopback.connect(descriptor, port: port)
        guard result == 0 else {
            close(descriptor)
            throw HarnessError.system("connect to port \(port)", result)
        }
        return descriptor
    }
}
