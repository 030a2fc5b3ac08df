// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedTesting
import Testing

@testable import MedRuntime

@Suite struct ProbesTests {
    private let log = RecordedLog()

    private func probes(
        _ reports: [(name: String, readiness: HealthCheck.Readiness, report: HealthReport)],
        prepare: (Lifecycle) async -> Void
    ) async -> Probes {
        let lifecycle = Lifecycle(
            configuration: ShutdownConfiguration(drainDelay: .seconds(600), grace: .zero, deadline: .seconds(900)),
            logger: RecordedLog().logger,
            lastWords: { _ in },
            exit: { _ in }
        )
        let engine = HealthEngine(
            checks: reports.map { item in
                HealthCheck(
                    item.name,
                    readiness: item.readiness,
                    interval: .seconds(3600),
                    detailsArePublic: item.name != "queue",
                    initial: HealthReport(status: .degraded),
                    unanswered: HealthReport(status: .unhealthy)
                ) { item.report }
            },
            logger: RecordedLog().logger
        )
        for item in reports { await engine.runNow(item.name) }
        await prepare(lifecycle)
        return Probes(
            lifecycle: lifecycle,
            engine: engine,
            environment: "test",
            startedAt: .now.advanced(by: .seconds(-120)),
            wallClock: { Timestamp(millisecondsSince1970: 1_761_543_240_000) },
            logger: self.log.logger
        )
    }

    private func text(_ answer: Probes.Answer) -> String { String(decoding: answer.body, as: UTF8.self) }

    private func serve(_ lifecycle: Lifecycle) async {
        lifecycle.started()
        await reached(.serving, by: lifecycle)
    }

    private let database = HealthReport(
        status: .healthy,
        details: [("status", .string("connected")), ("responseTime", .integer(15))]
    )

    @Test func `the three bodies are those of the contract, key by key`() async {
        let probes = await self.probes(
            [
                ("database", .required, self.database),
                (
                    "encryption", .requiredUnlisted,
                    HealthReport(status: .healthy, details: [("enabled", .boolean(false))])
                ),
                ("queue", .required, HealthReport(status: .healthy)),
            ],
            prepare: self.serve
        )
        #expect(self.text(probes.live()) == #"{"alive":true,"timestamp":"2025-10-27T05:34:00.000Z","uptime":120}"#)
        #expect(
            self.text(probes.ready())
                == #"{"ready":true,"timestamp":"2025-10-27T05:34:00.000Z","checks":{"database":true,"server":true,"queue":true}}"#
        )
        #expect(
            self.text(probes.health())
                == #"{"status":"healthy","timestamp":"2025-10-27T05:34:00.000Z","uptime":120,"checks":{"database":{"status":"connected","responseTime":15},"encryption":{"enabled":false},"queue":{"status":"healthy"}},"environment":"test"}"#
        )
    }

    @Test func `before start-up is finished it is alive and not ready`() async {
        let probes = await self.probes([("database", .required, self.database)]) { _ in }
        #expect(probes.live().status == 200)
        #expect(probes.ready().status == 503)
        #expect(self.text(probes.ready()).contains(#""checks":{"database":true,"server":false}"#))
        #expect(probes.health().status == 200)
    }

    @Test func `degraded is still 200, unhealthy is 503`() async {
        let degraded = await self.probes([("memory", .ignored, HealthReport(status: .degraded))], prepare: self.serve)
        #expect(degraded.health().status == 200)
        #expect(degraded.ready().status == 200)
        let unhealthy = await self.probes([("thing", .required, HealthReport(status: .unhealthy))], prepare: self.serve)
        #expect(unhealthy.health().status == 503)
        #expect(unhealthy.ready().status == 503)
    }

    @Test func `a check that is not critical makes the server degraded at most`() async {
        let probes = await self.probes([("mail", .ignored, HealthReport(status: .unhealthy))], prepare: self.serve)
        #expect(probes.health().status == 200)
        #expect(self.text(probes.health()).hasPrefix(#"{"status":"degraded""#))
        #expect(probes.ready().status == 200)
    }

    @Test func `a required check that is not listed makes it unready all the same`() async {
        let probes = await self.probes(
            [("encryption", .requiredUnlisted, HealthReport(status: .unhealthy))],
            prepare: self.serve
        )
        #expect(probes.ready().status == 503)
        #expect(!self.text(probes.ready()).contains("encryption"))
    }

    @Test func `during a shutdown it is alive, unready and unhealthy`() async {
        let probes = await self.probes([("database", .required, self.database)]) { lifecycle in
            await self.serve(lifecycle)
            lifecycle.stop(.sigterm)
            await reached(.draining, by: lifecycle)
        }
        #expect(probes.live().status == 200)
        #expect(probes.ready().status == 503)
        #expect(probes.health().status == 503)
    }

    @Test func `changes are logged once each`() async {
        let probes = await self.probes([("database", .required, self.database)], prepare: self.serve)
        probes.logChanges()
        probes.logChanges()
        #expect(self.log.messages == ["Readiness changed"])
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_007, "2000-02-29T00:00:00.007Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (1_761_543_240_050, "2025-10-27T05:34:00.050Z"),
    ])
    func `timestamps are ISO 8601 in UTC with milliseconds`(milliseconds: Int, text: String) {
        #expect(Timestamp(millisecondsSince1970: milliseconds).description == text)
    }

    @Test func `names and texts are escaped`() {
        var json = JSONText()
        json.member("a\"b", "c\\d\n\u{1}é")
        #expect(String(decoding: json.object, as: UTF8.self) == #"{"a\"b":"c\\d\u000a\u0001é"}"#)
    }
}
