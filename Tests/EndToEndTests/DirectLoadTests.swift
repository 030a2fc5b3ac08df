// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Load straight at one server, with nothing before it, across its shutdown. ``SteadyLoadTests`` is the same for HTTP/1.1.
@Suite(.endToEnd) struct DirectLoadTests {
    /// What `h2_across_shutdown.py` prints in the end.
    private struct Outcome: Decodable {
        var statuses: [String: Int]
        var problems: [String]
        var begun: Int
        var denied: Int
        var connections: Int
    }

    @Test(arguments: [false, true], ["0", "1"])
    func `every HTTP 2 stream that the last GOAWAY counts in is answered`(tls: Bool, drainDelay: String) async throws {
        let server = try await startHealthy(
            ["SHUTDOWN_DRAIN_DELAY_SECONDS": drainDelay, "SHUTDOWN_GRACE_SECONDS": "20"], tls: tls)
        let port = try await server.process.port
        let authority = server.certificate.map { [$0.authority.path] } ?? []
        let tool = try startPythonTool("h2_across_shutdown.py", ["\(port)"] + authority)
        // Not always at the same moment of a stream's life.
        let moment = Int.random(in: 3...12) * 100
        try await eventually("the load runs") { tool.outputText.contains("answered \(moment)\n") || tool.hasEnded }
        server.process.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(0))
        #expect(try await tool.waitForExit() == .code(0))
        try await tool.waitForOutput()
        let line = try #require(tool.outputText.split(separator: "\n").last, "\(tool.errorText)")
        let outcome = try JSONDecoder().decode(Outcome.self, from: Data(line.utf8))
        #expect(outcome.problems == [], "\(outcome)")
        #expect(Set(outcome.statuses.keys).isSubset(of: ["200", "503"]), "\(outcome)")
        #expect(outcome.statuses["200", default: 0] >= moment, "\(outcome)")
    }
}
