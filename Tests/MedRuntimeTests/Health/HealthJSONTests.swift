// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct HealthJSONTests {
    private func text(
        _ views: [CheckView],
        status: HealthStatus = .healthy,
        hasFailed: Bool = false,
        identity: ServiceIdentity = ServiceIdentity(),
        phase: Phase = .serving,
        hidesReasons: Bool = false
    ) -> String {
        let json = HealthJSON(
            status: status,
            hasFailed: hasFailed,
            identity: identity,
            phase: phase,
            uptime: 120,
            timestamp: noon,
            views: views,
            allViews: views,
            hidesReasons: hidesReasons
        )
        return String(decoding: json.body, as: UTF8.self)
    }

    private let uptime =
        #""uptime":[{"componentType":"system","observedValue":120,"observedUnit":"s","status":"pass","time":"2025-10-27T05:34:00.000Z"}]"#

    @Test func `a healthy server passes, key by key`() {
        let memory = HealthCheck.Observation(measurement: "utilization", unit: "percent", detail: "percentage")
        let body = self.text(
            [view("database"), view("memory", details: [("percentage", .integer(74))], observes: memory)],
            identity: ServiceIdentity(
                release: "0.1.0", version: "1", serviceID: "medbuilder", instance: "a", description: "Records")
        )
        #expect(
            body
                == #"{"status":"pass","version":"1","releaseId":"0.1.0","serviceId":"medbuilder","description":"Records","#
                + #""checks":{"# + self.uptime
                + #","database:responseTime":[{"componentType":"component","observedValue":1.5,"observedUnit":"ms","status":"pass","time":"2025-10-27T05:33:56.000Z"}]"#
                + #","memory:utilization":[{"componentType":"component","observedValue":74,"observedUnit":"percent","status":"pass","time":"2025-10-27T05:33:56.000Z"}]}}"#
        )
    }

    @Test func `a failure says what it stops and why`() {
        let body = self.text(
            [
                view(
                    "mail", .unhealthy, summary: "It is \"full\".", failureID: "00ff", affectedEndpoints: ["/mail/{id}"]
                )
            ],
            status: .degraded
        )
        #expect(body.hasPrefix(#"{"status":"warn","checks""#))
        #expect(
            body.contains(
                #""status":"fail","affectedEndpoints":["/mail/{id}"],"time":"2025-10-27T05:33:56.000Z","output":"It is \"full\".","failureId":"00ff"}"#
            )
        )
    }

    @Test func `where reasons are hidden, an id stands for them`() {
        let body = self.text(
            [
                view(
                    "mail", .unhealthy, details: [("queue", .integer(7))], summary: "It is full.", failureID: "00ff",
                    observes: .init(measurement: "queue", unit: "messages", detail: "queue"))
            ],
            hidesReasons: true
        )
        #expect(body.contains(#""failureId":"00ff""#))
        #expect(!body.contains("full") && !body.contains("output") && !body.contains("observedValue\":7"))
        #expect(!body.contains("for the log alone"))
    }

    @Test func `the status follows the status code`() {
        #expect(self.text([], status: .degraded).hasPrefix(#"{"status":"warn""#))
        #expect(self.text([], status: .degraded, hasFailed: true).hasPrefix(#"{"status":"fail""#))
        #expect(
            self.text([], status: .unhealthy, hasFailed: true, phase: .draining)
                .hasPrefix(#"{"status":"fail","notes":["The server is shutting down."],"#)
        )
    }

    @Test func `what nobody can say is a warning, and names what it waits for`() {
        let body = self.text([
            view("network", .unhealthy), view("mail", .degraded, standing: .unknown, dependencies: ["network"]),
        ])
        #expect(
            body.contains(#""status":"warn","time":"2025-10-27T05:33:56.000Z","output":"Unknown without network."}"#))
    }

    @Test func `before the first run there is nothing observed`() {
        let body = self.text([view("mail", .degraded, responseTime: nil)])
        #expect(body.contains(#""mail:responseTime":[{"componentType":"component","status":"warn"}]"#))
    }

    private static let times: [(Duration, String)] = [
        (.zero, "0"), (.milliseconds(15), "15"), (.microseconds(1), "0.001"), (.microseconds(1250), "1.25"),
        (.seconds(3), "3000"), (.microseconds(10_010), "10.01"), (.milliseconds(-5), "0"), (.nanoseconds(999), "0"),
    ]

    @Test(arguments: times)
    func `times are milliseconds with at most three decimals`(time: Duration, text: String) {
        var json = JSONText()
        json.member("t", milliseconds: time)
        #expect(String(decoding: json.bytes, as: UTF8.self) == "\"t\":" + text)
    }
}
