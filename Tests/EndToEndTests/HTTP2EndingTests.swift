// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What a connection of HTTP/2 says and does at its end.
@Suite(.endToEnd) struct HTTP2EndingTests {
    /// What `h2_ending.py` prints in the end.
    private struct Ending: Decodable {
        var answered: Int
        /// The codes with which streams were reset.
        var resets: [Int] = []
        /// The last number of the last GOAWAY; nil if there was none.
        var last: Int?
        /// How long the server took bytes after it had ended its side, in seconds.
        var lingered: Double
        /// How long the client was held up at most while it measured that, in seconds.
        var heldUp: Double
    }

    /// A connection that begins so many streams after so many seconds.
    private func connect(
        _ method: String = "GET", streams: Int, after seconds: Double, _ server: ServerProcess
    ) async throws -> ChildProcess {
        let port = try await server.port
        let tool = try startPythonTool("h2_ending.py", ["\(port)", method, "\(streams)", "\(seconds)"])
        try await eventually("it has connected") { tool.outputText.hasPrefix("connected\n") || tool.hasEnded }
        return tool
    }

    private func ending(of tool: ChildProcess) async throws -> Ending {
        #expect(try await tool.waitForExit() == .code(0))
        try await tool.waitForOutput()
        let line = try #require(tool.outputText.split(separator: "\n").last, "\(tool.errorText)")
        return try JSONDecoder().decode(Ending.self, from: Data(line.utf8))
    }

    @Test func `the time for the first request does not cut the end short`() async throws {
        let server = try await readyServer([
            "HTTP_HEADER_TIMEOUT_SECONDS": "2", "HTTP_MAX_REQUESTS_PER_CONNECTION": "1",
        ])
        var ending = Ending(answered: 0, lingered: 0, heldUp: 0)
        // Where the client was held up, it says nothing.
        for _ in 0..<20 where ending.answered == 0 || ending.heldUp > 0.2 {
            // Those two seconds are over 0.3 s after the connection's last answer.
            ending = try await self.ending(of: self.connect(streams: 1, after: 1.7, server))
        }
        #expect(ending.answered == 1)
        #expect(ending.last == 1)
        // It is a second, and none was held up for longer than that.
        #expect(ending.lingered > 0.75, "\(ending)")
    }

    @Test func `the exit waits for a stream whose answer came before its body`() async throws {
        let server = try await readyServer()
        let client = try await self.connect("POST", streams: 1, after: 0, server)
        try await eventually("it is answered") { client.outputText.contains("\nanswered\n") || client.hasEnded }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        let ending = try await self.ending(of: client)
        #expect(ending.answered == 1)
        // After a second, the client is told that it need not go on (RFC 9113 §8.1).
        #expect(ending.resets == [0])
    }

    @Test func `a client that has asked nothing is told so before the exit`() async throws {
        let server = try await readyServer()
        let client = try await self.connect(streams: 0, after: 0, server)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(try await self.ending(of: client).last == 0)
    }
}
