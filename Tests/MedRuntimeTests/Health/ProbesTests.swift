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
        groups: [HealthGroup] = [],
        hidesReasons: Bool = false,
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
                    timeout: .seconds(600),
                    detailsArePublic: item.name != "queue",
                    initial: HealthReport(status: .degraded),
                    unanswered: HealthReport(status: .unhealthy)
                ) { item.report }
            },
            groups: groups,
            hidesReasons: hidesReasons,
            logger: RecordedLog().logger
        )
        let startedAt = SuspendingClock.now
        let startUp = StartUpProgress(logger: RecordedLog().logger)
        startUp.begin("loading")
        startUp.finish()
        for item in reports { await engine.runNow(item.name) }
        await prepare(lifecycle)
        return Probes(
            lifecycle: lifecycle,
            engine: engine,
            environment: "test",
            identity: ServiceIdentity(release: "0.1.0"),
            startUp: startUp,
            startedAt: startedAt,
            wallClock: { Timestamp(millisecondsSince1970: 1_761_543_240_000) },
            now: { startedAt.advanced(by: .seconds(120)) },
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

    private func ask(_ probes: Probes, _ target: String, accept: String...) throws -> Probes.Answer {
        var request = try #require(ProbeRequest(target: target))
        request.accept(accept)
        return probes.answer(to: request)
    }

    @Test func `without wishes the answers are those of the contract`() async throws {
        let probes = await self.probes([("database", .required, self.database)], prepare: self.serve)
        for (target, answer) in [("/live", probes.live()), ("/ready", probes.ready()), ("/health", probes.health())] {
            for query in ["", "?", "?verbose=0", "?other=1"] {
                let asked = try self.ask(probes, target + query, accept: "*/*")
                #expect(asked.body == answer.body)
                #expect(asked.status == answer.status)
                #expect(asked.contentType == "application/json; charset=utf-8")
                #expect(asked.headers.map(\.value) == ["no-store"])
            }
        }
    }

    @Test func `verbose answers list what decides`() async throws {
        let probes = await self.probes(
            [
                ("database", .required, self.database), ("key", .requiredUnlisted, HealthReport(status: .unhealthy)),
                ("mail", .ignored, HealthReport(status: .unhealthy)),
                ("queue", .required, HealthReport(status: .healthy)),
            ],
            prepare: self.serve
        )
        let health = try self.ask(probes, "/health?verbose", accept: "text/html")
        #expect(health.status == 503)
        #expect(health.contentType == "text/plain; charset=utf-8")
        #expect(
            self.text(health)
                == "[+]database ok\n[-]key failed: reason withheld\n[-]mail failed: reason withheld\n[+]queue ok\nhealth check failed\n"
        )
        #expect(
            try self.text(self.ask(probes, "/ready?verbose&exclude=key&exclude=mail"))
                == "[+]database ok\n[+]server ok\n[+]key excluded: ok\n[+]queue ok\nwarn: some health checks cannot be excluded: no matches for \"mail\"\nready check passed\n"
        )
        #expect(try self.text(self.ask(probes, "/live?verbose")) == "[+]progress ok\nlive check passed\n")
    }

    @Test func `what is excluded does not count, in any form`() async throws {
        let probes = await self.probes(
            [("database", .required, self.database), ("key", .required, HealthReport(status: .unhealthy))],
            prepare: self.serve
        )
        #expect(try self.ask(probes, "/health").status == 503)
        #expect(try self.ask(probes, "/health?exclude=key").status == 200)
        #expect(try self.text(self.ask(probes, "/health?exclude=key")).hasPrefix(#"{"status":"healthy""#))
        #expect(try self.ask(probes, "/health?exclude=key&verbose").status == 200)
        #expect(
            try self.text(self.ask(probes, "/health?exclude=key", accept: "application/health+json"))
                .hasPrefix(#"{"status":"pass""#)
        )
        #expect(try self.ask(probes, "/ready").status == 503)
        #expect(try self.ask(probes, "/ready?exclude=key").status == 200)
        #expect(try self.text(self.ask(probes, "/ready?exclude=key")).hasPrefix(#"{"ready":true"#))
        #expect(try self.ask(probes, "/ready?exclude=database").status == 503)
    }

    @Test func `a shutdown cannot be excluded`() async throws {
        let probes = await self.probes([("database", .required, self.database)]) { lifecycle in
            await self.serve(lifecycle)
            lifecycle.stop(.sigterm)
            await reached(.draining, by: lifecycle)
        }
        let query = "?verbose&exclude=database&exclude=server&exclude=shutdown"
        let warning = "warn: some health checks cannot be excluded: no matches for \"server\",\"shutdown\"\n"
        let health = try self.ask(probes, "/health" + query)
        #expect(health.status == 503)
        #expect(
            self.text(health)
                == "[+]database excluded: ok\n[-]shutdown failed: reason withheld\n" + warning + "health check failed\n"
        )
        let ready = try self.ask(probes, "/ready" + query)
        #expect(ready.status == 503)
        #expect(self.text(ready).contains("[-]server failed: reason withheld\n"))
        #expect(try self.text(self.ask(probes, "/live?verbose")).contains("live check passed"))
    }

    @Test func `people get a page, on its own address whatever the state`() async throws {
        let probes = await self.probes([("key", .required, HealthReport(status: .unhealthy))], prepare: self.serve)
        let page = try self.ask(probes, "/status")
        #expect(page.status == 200)
        #expect(page.contentType == "text/html; charset=utf-8")
        #expect(page.headers.contains { $0.name == "Refresh" })
        #expect(self.text(page).contains("MedBuilder is <b>unhealthy</b>"))
        #expect(self.text(page).contains("<span>loading</span> <i>done in "))
        let health = try self.ask(probes, "/health", accept: "text/html")
        #expect(health.status == 503)
        #expect(health.body == page.body)
        #expect(try self.ask(probes, "/status", accept: "application/json").body == probes.health().body)
        #expect(try self.ask(probes, "/status?verbose").contentType == "text/html; charset=utf-8")
        #expect(try self.ask(probes, "/status?refresh=off").headers.allSatisfy { $0.name != "Refresh" })
    }

    @Test func `a group has its own status, with its own checks`() async throws {
        let probes = await self.probes(
            [
                ("database", .required, self.database), ("mail", .ignored, HealthReport(status: .unhealthy)),
                ("queue", .required, HealthReport(status: .healthy)),
            ],
            groups: [
                HealthGroup("post", checks: ["mail", "queue"], required: ["mail"]),
                HealthGroup("edge", checks: ["queue", "mail"], isStrict: true),
            ],
            prepare: self.serve
        )
        #expect(probes.health().status == 200)
        let post = try self.ask(probes, "/health/post")
        #expect(post.status == 503)
        #expect(self.text(post).hasPrefix(#"{"status":"unhealthy","#))
        #expect(!self.text(post).contains("database"))
        #expect(try self.ask(probes, "/health/post?exclude=mail").status == 200)
        #expect(
            try self.text(self.ask(probes, "/health/post?exclude=mail&verbose&exclude=database"))
                == "[+]mail excluded: ok\n[+]queue ok\nwarn: some health checks cannot be excluded: no matches for \"database\"\nhealth check passed\n"
        )
        let edge = try self.ask(probes, "/health/edge", accept: "application/health+json")
        #expect(edge.status == 503)
        #expect(self.text(edge).hasPrefix(#"{"status":"fail""#))
        #expect(try self.text(self.ask(probes, "/health/edge")).hasPrefix(#"{"status":"degraded""#))
        #expect(
            try self.text(self.ask(probes, "/health/edge", accept: "text/html")).contains("<span>Group</span> edge"))
    }

    @Test func `in production no form says why`() async throws {
        let report = HealthReport(
            status: .unhealthy, details: [("depth", .integer(4711))], reason: "needle 1", summary: "needle 2")
        let probes = await self.probes([("queue", .required, report)], hidesReasons: true, prepare: self.serve)
        for (target, accept) in [
            ("/health", "*/*"), ("/health", "application/health+json"), ("/status", "*/*"), ("/health?verbose", "*/*"),
            ("/ready?verbose", "*/*"),
        ] {
            let text = try self.text(self.ask(probes, target, accept: accept))
            #expect(text.contains("queue"))
            #expect(!text.contains("needle") && !text.contains("4711"), "\(target)")
        }
        #expect(try self.text(self.ask(probes, "/status")).contains("error.id <code>"))
    }

    @Test func `an unknown group is not found`() async throws {
        let probes = await self.probes([], prepare: self.serve)
        for target in ["/health/edge", "/health/edge?verbose"] {
            let answer = try self.ask(probes, target)
            #expect(answer.status == 404)
            #expect(self.text(answer) == #"{"error":"not_found"}"#)
        }
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
