// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Which requests a ``Load`` sends.
package struct LoadPlan: Sendable {
    /// How many a second, whether the server keeps up or not.
    package var rate: Int
    /// Every so many-th request writes.
    package var writeEvery = 10
    /// Every so many-th request has a connection of its own; the others share those that are kept.
    package var freshEvery = 20
    /// How many connections are kept at most. A server that stands still holds some, and the others go on.
    package var keptConnections = 512
    /// How many of the others there are at most at a time.
    package var freshConnections = 64
    /// How long a client waits for an answer.
    package var patience = Duration.seconds(60)
    /// Whether a request is sent once more when a kept connection was closed before any byte of an answer. RFC 9110, 9.2.2 allows that for
    /// idempotent requests; here writes are repeated too, and those that were done twice are counted. Behind a proxy, the proxy repeats.
    package var retries: Bool
    /// What a read asks for, one after the other.
    package var readTargets: [String]
    /// What a write posts to; the number of the request follows.
    package var writeTarget: String

    package init(rate: Int, retries: Bool, readTargets: [String], writeTarget: String) {
        self.rate = rate
        self.retries = retries
        self.readTargets = readTargets
        self.writeTarget = writeTarget
    }

    func isWrite(_ sequence: Int) -> Bool { sequence % self.writeEvery == 0 }

    func isFresh(_ sequence: Int) -> Bool { sequence % self.freshEvery == self.freshEvery / 2 }

    /// The head of a request, which is all of it.
    func request(_ sequence: Int) -> String {
        let line =
            self.isWrite(sequence)
            ? "POST \(self.writeTarget)\(sequence) HTTP/1.1\r\nContent-Length: 0"
            : "GET \(self.readTargets[sequence % self.readTargets.count]) HTTP/1.1"
        let closes = self.isFresh(sequence) ? "Connection: close\r\n" : ""
        return "\(line)\r\nHost: localhost\r\nX-Sequence: \(sequence)\r\n\(closes)\r\n"
    }
}
