// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

@testable import MedRuntime

@Suite struct StatusPageTests {
    private func page(_ views: [CheckView], change: (inout StatusPage) -> Void = { _ in }) -> String {
        var page = StatusPage(
            status: .degraded,
            isReady: true,
            phase: .serving,
            identity: ServiceIdentity(release: "0.1.0", instance: "one"),
            environment: "staging",
            uptime: 7384,
            timestamp: noon,
            views: views,
            allViews: views,
            hidesReasons: false
        )
        change(&page)
        return String(decoding: page.render(), as: UTF8.self)
    }

    @Test func `the worst stands first`() throws {
        let page = self.page([
            view("fine"), view("optional", .unhealthy, readiness: .ignored), view("slow", .degraded),
            view("unsure", .unhealthy, standing: .unknown, dependencies: ["broken"]), view("broken", .unhealthy),
        ])
        let names = page.matches(of: /<h3>([a-z]+)<\/h3>/).map { String($0.1) }
        #expect(names == ["broken", "optional", "slow", "unsure", "fine"])
        #expect(page.contains("Of 5 checks, 2 are down, 1 degraded, 1 unknown."))
    }

    @Test func `a check shows what somebody wants to know at night`() {
        let page = self.page([
            view(
                "mail", .unhealthy, readiness: .ignored,
                details: [("queue", .integer(7)), ("paused", .boolean(false))],
                summary: "The queue is full.", failureID: "00ff", history: history(failing: [3, 59]))
        ])
        #expect(page.contains("<b>Down</b> <span class=tag>not required</span>"))
        #expect(page.contains("<p class=reason dir=auto>The queue is full.</p>"))
        #expect(page.contains("The log has more: error.id <code>00ff</code>"))
        #expect(
            page.contains(
                #"<time datetime="2025-10-27T05:32:30.000Z">05:32:30 UTC</time>, 1 minute ago"#))
        #expect(page.contains("<span>Response time</span> 1.5\u{A0}ms"))
        #expect(page.contains("<b>queue</b>\u{A0}7, <b>paused</b>\u{A0}no"))
        #expect(
            page.contains("<title>60 runs, of which 2 failed; the last one failed. Response times from 0.9\u{A0}ms to"))
        #expect(!page.contains("for the log alone"))
    }

    @Test func `in production the reason is for the log alone`() {
        let page = self.page([
            view("mail", .unhealthy, details: [("queue", .integer(7))], summary: "It is full.", failureID: "00ff")
        ]) { $0.hidesReasons = true }
        #expect(page.contains("<p class=reason>The log has the reason: error.id <code>00ff</code></p>"))
        #expect(!page.contains("full") && !page.contains("queue"))
    }

    @Test func `what is unknown names what it stands on`() {
        let views = [
            view("network", .unhealthy), view("dns"),
            view("mail", .unhealthy, standing: .unknown, dependencies: ["network", "dns"]),
        ]
        #expect(self.page(views).contains("It stands on <b>network</b>, which is not up."))
        let again = [view("dns"), view("mail", .unhealthy, standing: .unknown, dependencies: ["dns"])]
        #expect(self.page(again).contains("What it stands on is up again; it has not answered yet."))
    }

    @Test func `the shutdown shows how far it is`() {
        let page = self.page([view("database")]) {
            $0.phase = .finishing
            $0.status = .unhealthy
            $0.isReady = false
        }
        #expect(page.contains("<title>✕ MedBuilder is shutting down</title>"))
        #expect(page.contains("<b>Not ready:</b>"))
        #expect(page.contains("<span>draining</span> <i>over</i>"))
        #expect(page.contains("<span>finishing requests</span> <i>now</i>"))
        #expect(page.contains("<span>cleaning up</span> <i>to come</i>"))
    }

    @Test func `the start-up shows its steps`() {
        let page = self.page([]) {
            $0.phase = .starting
            $0.startUp = [
                StartUpProgress.Phase(name: "settings", state: .done, failedAttempts: 0, duration: .milliseconds(12)),
                StartUpProgress.Phase(name: "<db>", state: .failed, failedAttempts: 3, duration: .seconds(75)),
            ]
        }
        #expect(page.contains("MedBuilder is <b>starting</b>"))
        #expect(page.contains("<span>settings</span> <i>done in 12\u{A0}ms</i>"))
        #expect(page.contains("<span>&lt;db&gt;</span> <i>failing for 75\u{A0}s, 3 failed attempts</i>"))
        #expect(page.contains("There are no checks."))
        #expect(!page.contains("<h2 id=checks>"))
    }

    private static let attacks: [(String, String)] = [
        ("</h3><script>alert(1)</script>", "&lt;/h3&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;"),
        ("a\u{0}b\u{1B}[31m\u{7F}\u{85}\n", "a\u{FFFD}b\u{FFFD}[31m\u{FFFD}\u{FFFD}\u{FFFD}"),
        (
            "gp\u{202E}txt\u{2066}x\u{200F}\u{61C}\u{FEFF}\u{2028}",
            "gp\u{FFFD}txt\u{FFFD}x\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"
        ),
        ("Größe – 日本 ﷺ ×👩‍⚕️", "Größe – 日本 ﷺ ×👩\u{FFFD}⚕️"), ("é\u{301}<\u{301}", "é\u{301}&lt;\u{301}"),
    ]

    @Test(arguments: attacks)
    func `text stays text`(text: String, shown: String) {
        var html = HTMLText(reserving: 0)
        html.text(text)
        #expect(String(decoding: html.bytes, as: UTF8.self) == shown)
    }

    @Test func `nothing that the application or a request says is taken for markup`() {
        let evil = "</title></style><script>evil()</script>\"'\u{202E}"
        let page = self.page([
            view(
                evil, .unhealthy, details: [(evil, .string(evil))], summary: evil, failureID: evil,
                dependencies: [evil]),
            view("b", .unhealthy, standing: .unknown, dependencies: [evil]),
        ]) {
            $0.identity = ServiceIdentity(name: evil, release: evil, instance: evil)
            $0.environment = evil
            $0.group = evil
            $0.startUp = [StartUpProgress.Phase(name: evil, state: .failed, failedAttempts: 1, duration: .zero)]
        }
        #expect(!page.contains("<script"))
        #expect(!page.contains("\u{202E}"))
        #expect(page.matches(of: /<\/title>/).count == 1)
        #expect(page.matches(of: /<\/style>/).count == 1)
        #expect(page.components(separatedBy: "evil()").count == 14)
    }

    @Test func `the security policy allows just the style that is there`() async throws {
        let page = self.page([view("database", history: history())])
        let start = try #require(page.range(of: "<style>")).upperBound
        let end = try #require(page.range(of: "</style>")).lowerBound
        let file = FileManager.default.temporaryDirectory.appending(path: "style-\(UUID().uuidString)")
        try Data(page[start..<end].utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let hex = try await runTool("sha256sum", [file.path]).prefix(64)
        let digest = stride(from: 0, to: 64, by: 2).compactMap { UInt8(hex.dropFirst($0).prefix(2), radix: 16) }
        #expect(StatusPage.styleHash == "sha256-" + Data(digest).base64EncodedString())
        #expect(!page.contains(" style="))
        #expect(!page.contains("http"))
        #expect(!page.contains("<script"))
    }

    @Test func `headers keep everything out, and load the page again`() {
        var page = StatusPage(
            status: .healthy, isReady: true, phase: .serving, identity: ServiceIdentity(), environment: "test",
            uptime: 0, timestamp: noon, views: [], allViews: [], hidesReasons: false)
        let headers = Dictionary(uniqueKeysWithValues: page.headers.map { ($0.name, $0.value) })
        #expect(
            headers["Content-Security-Policy"]
                == "default-src 'none'; style-src '\(StatusPage.styleHash)'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        #expect(headers["Refresh"] == "5")
        #expect(headers["Cache-Control"] == "no-store")
        #expect(headers["X-Content-Type-Options"] == "nosniff")
        #expect(headers["Referrer-Policy"] == "no-referrer")
        page.staysStill = true
        #expect(!page.headers.contains { $0.name == "Refresh" })
    }

    private static let spans: [(Int, String)] = [
        (-3, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (3599, "59 minutes"),
        (3600, "1 hour"),
        (3660, "1 hour 1 minute"), (35_999, "9 hours 59 minutes"), (86_400, "24 hours"), (172_800, "2 days"),
    ]

    @Test(arguments: spans)
    func `spans of time are said in words`(seconds: Int, text: String) {
        var html = HTMLText(reserving: 0)
        html.span(seconds: seconds)
        #expect(String(decoding: html.bytes, as: UTF8.self) == text)
    }

    private static let times: [(Duration, String)] = [
        (.zero, "&lt;\u{A0}0.1\u{A0}ms"), (.microseconds(100), "0.1\u{A0}ms"), (.microseconds(1000), "1\u{A0}ms"),
        (.microseconds(9949), "9.9\u{A0}ms"), (.microseconds(9950), "10\u{A0}ms"),
        (.microseconds(999_499), "999\u{A0}ms"),
        (.microseconds(999_500), "1\u{A0}s"), (.milliseconds(1240), "1.2\u{A0}s"), (.seconds(75), "75\u{A0}s"),
    ]

    @Test(arguments: times)
    func `response times have about two digits`(time: Duration, text: String) {
        var html = HTMLText(reserving: 0)
        html.time(time)
        #expect(String(decoding: html.bytes, as: UTF8.self) == text)
    }

    @Test func `a moment of another day has its day`() {
        var html = HTMLText(reserving: 0)
        html.moment(Timestamp(millisecondsSince1970: noon.millisecondsSince1970 - 86_400_000), now: noon)
        #expect(
            String(decoding: html.bytes, as: UTF8.self)
                == #"<time datetime="2025-10-26T05:34:00.000Z">2025-10-26 05:34:00 UTC</time>, 24 hours ago"#
        )
    }

    @Test func `the largest history has its bars side by side, and a short one stands at the right`() {
        #expect(self.page([view("a", history: history())]).contains("M238 27v-"))
        let short = self.page([view("a", history: [CheckView.Point(status: .unhealthy, responseTime: .zero)])])
        #expect(short.contains(#"<path class=bad d="M238 27v-3M238 29v7"/>"#))
        #expect(short.contains("<title>1 run, of which 1 failed; the last one failed."))
    }
}
