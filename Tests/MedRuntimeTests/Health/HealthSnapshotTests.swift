// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct HealthSnapshotTests {
    private func view(
        _ name: String,
        readiness: HealthCheck.Readiness = .ignored,
        standing: CheckView.Standing = .up,
        report: HealthReport = HealthReport(status: .healthy),
        isPublic: Bool = false,
        id: String? = nil
    ) -> CheckView {
        CheckView(
            check: HealthCheck(
                name,
                readiness: readiness,
                detailsArePublic: isPublic,
                initial: report,
                unanswered: HealthReport(status: .unhealthy),
                run: { report }
            ),
            standing: standing,
            report: report,
            failureID: id,
            lastRun: nil,
            lastChange: Timestamp(millisecondsSince1970: 0),
            responseTime: nil,
            history: []
        )
    }

    private func snapshot(_ views: [CheckView], groups: [HealthGroup] = [], hides: Bool = false) -> HealthSnapshot {
        HealthSnapshot(views: views, groups: groups, hidesReasons: hides, validUntil: nil)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private let failure = HealthReport(
        status: .unhealthy,
        details: [("queued", .integer(7))],
        reason: "printer.ward-3.internal refuses.",
        summary: "The printer refuses."
    )

    // MARK: The objects of /health

    @Test func `in production a failed check says its status and its id`() {
        let checks = [
            self.view("printer", standing: .down, report: self.failure, id: "00000000000000ff"),
            self.view(
                "mail", standing: .down,
                report: HealthReport(
                    status: .degraded, details: [("host", .string("x")), ("status", .string("refused"))]),
                id: "00000000000000fe"),
        ]
        #expect(
            self.text(self.snapshot(checks, hides: true).healthChecks)
                == #""printer":{"status":"unhealthy","id":"00000000000000ff"},"mail":{"status":"refused","id":"00000000000000fe"}"#
        )
    }

    @Test func `outside production it says its details, why, and its id, and never the reason for the log`() {
        let checks = [self.view("printer", standing: .down, report: self.failure, id: "00000000000000ff")]
        #expect(
            self.text(self.snapshot(checks).healthChecks)
                == #""printer":{"status":"unhealthy","queued":7,"reason":"The printer refuses.","id":"00000000000000ff"}"#
        )
    }

    @Test func `details that are public stay, and the id comes after them`() {
        let report = HealthReport(
            status: .degraded,
            details: [("status", .string("disconnected")), ("responseTime", .null)],
            reason: "It is gone.",
            summary: "It cannot be reached."
        )
        let checks = [
            self.view("database", standing: .down, report: report, isPublic: true, id: "00000000000000ff")
        ]
        #expect(
            self.text(self.snapshot(checks, hides: true).healthChecks)
                == #""database":{"status":"disconnected","responseTime":null,"id":"00000000000000ff"}"#
        )
        #expect(
            self.text(self.snapshot(checks).healthChecks)
                == #""database":{"status":"disconnected","responseTime":null,"reason":"It cannot be reached.","id":"00000000000000ff"}"#
        )
    }

    @Test(arguments: [false, true])
    func `a healthy check says its details, and its status where it has none`(hides: Bool) {
        let memory = HealthReport(status: .healthy, details: [("used", .integer(1))], summary: "Not shown.")
        let checks = [
            self.view("memory", report: memory, isPublic: true), self.view("queue", report: memory),
            self.view("printer"), self.view("empty", isPublic: true),
        ]
        #expect(
            self.text(self.snapshot(checks, hides: hides).healthChecks)
                == #""memory":{"used":1},"queue":{"status":"healthy","used":1},"printer":{"status":"healthy"},"empty":{"status":"healthy"}"#
        )
    }

    // MARK: The whole

    @Test func `an unknown check adds nothing to the whole, and is not ready if it is required`() {
        let report = HealthReport(status: .degraded, details: [("status", .string("unknown"))], summary: "Why.")
        let snapshot = self.snapshot(
            [
                self.view("database", readiness: .required),
                self.view("queue", readiness: .required, standing: .unknown, report: report),
            ],
            hides: true
        )
        #expect(snapshot.status == .healthy)
        #expect(!snapshot.isReady)
        #expect(self.text(snapshot.readyChecksBeforeServer) == #""database":true"#)
        #expect(self.text(snapshot.readyChecksAfterServer) == #""queue":false"#)
        #expect(self.text(snapshot.healthChecks).hasSuffix(#""queue":{"status":"unknown"}"#))
    }

    @Test func `a route's checks are up if all of them are`() {
        let snapshot = self.snapshot([
            self.view("a"), self.view("b"), self.view("down", standing: .down, report: self.failure),
            self.view("unknown", standing: .unknown),
        ])
        #expect(snapshot.isUp([]))
        #expect(snapshot.isUp(["a", "b"]))
        for name in ["down", "unknown", "no such check"] { #expect(!snapshot.isUp(["a", name])) }
        #expect(snapshot.view(named: "b")?.check.name == "b")
        #expect(snapshot.view(named: "no such check") == nil)
    }

    // MARK: Groups

    private func status(_ group: HealthGroup) -> HealthStatus? {
        let views = [
            self.view("up"), self.view("down", standing: .down, report: self.failure),
            self.view("unknown", standing: .unknown),
        ]
        return self.snapshot(views, groups: [group]).group(named: group.name)?.status
    }

    @Test func `what a group requires makes it unhealthy, the rest of it degraded`() {
        #expect(self.status(HealthGroup("g", checks: ["up"], required: ["up"])) == .healthy)
        for name in ["down", "unknown", "missing"] {
            #expect(self.status(HealthGroup("g", checks: ["up", name])) == .degraded)
            #expect(self.status(HealthGroup("g", checks: ["up", name], required: [name])) == .unhealthy)
        }
    }

    @Test func `a group shows its own checks in its own order`() throws {
        let snapshot = self.snapshot(
            [self.view("a"), self.view("b"), self.view("c")],
            groups: [HealthGroup("edge", checks: ["c", "missing", "a"], isStrict: true)]
        )
        let group = try #require(snapshot.group(named: "edge"))
        #expect(group.isStrict)
        #expect(group.views.map(\.check.name) == ["c", "a"])
        #expect(
            self.text(group.healthChecks)
                == #""c":{"status":"healthy"},"missing":{"status":"unknown"},"a":{"status":"healthy"}"#
        )
        #expect(snapshot.group(named: "missing") == nil)
    }

    @Test func `without a check that is left out, all is judged anew`() {
        let snapshot = self.snapshot(
            [
                self.view("database", readiness: .required, standing: .down, report: self.failure),
                self.view("queue", readiness: .required),
            ],
            groups: [HealthGroup("g", checks: ["database", "queue"], required: ["database"])]
        )
        #expect(snapshot.status == .unhealthy)
        let rest = snapshot.excluding(["database", "no such check"])
        #expect(rest.status == .healthy)
        #expect(rest.isReady)
        #expect(rest.views.map(\.check.name) == ["queue"])
        #expect(rest.group(named: "g")?.status == .healthy)
    }
}
