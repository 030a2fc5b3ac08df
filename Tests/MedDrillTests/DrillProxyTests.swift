// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTesting
import Testing

@testable import MedDrill

@Suite struct DrillProxyTests {
    @Test func `HAProxy of the drill is that of Compose, but for containers and the log`() throws {
        let drill = Self.settings(DrillProxy.haproxy(port: 1, backends: [2]))
        let compose = Self.settings(try Project.text("deploy/compose/haproxy.cfg"))
        #expect(
            drill.subtracting(compose) == [
                "frontend clients: bind 127.0.0.1:1", "backend servers: server s0 127.0.0.1:2",
            ])
        let unexpected = compose.subtracting(drill).filter { setting in
            ![
                "global: log ", "global: hard-stop-after ", "defaults: log ", "defaults: log-format ",
                "defaults: option dontlognull", "resolvers docker: ", "frontend clients: bind ",
                "frontend clients: option forwardfor", "frontend clients: http-request set-header X-Forwarded-Proto ",
                "backend servers: server-template ", "frontend metrics: ",
            ].contains { setting.hasPrefix($0) }
        }
        #expect(unexpected == [])
        #expect(drill.intersection(compose).count > 18)
    }

    /// Each line with its section.
    private static func settings(_ text: String) -> Set<String> {
        var section = ""
        var settings: Set<String> = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            if line.hasPrefix(" ") {
                settings.insert("\(section): \(words.joined(separator: " "))")
            } else {
                section = String(line)
            }
        }
        return settings
    }
}
