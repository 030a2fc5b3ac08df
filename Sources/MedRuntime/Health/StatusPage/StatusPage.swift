// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The page at `/status`: how the server is, for the person who was woken by it. The worst stands first.
///
/// It is one document without scripts and without anything from elsewhere, so that it can be read while everything else
/// is broken, and in a browser that trusts nobody.
struct StatusPage {
    static let contentType = "text/html; charset=utf-8"

    /// How often the page is loaded again.
    static let refreshSeconds = 5

    var status: HealthStatus
    var isReady: Bool
    var phase: Phase
    var identity: ServiceIdentity
    var environment: String
    /// Whole seconds.
    var uptime: Int
    var timestamp: Timestamp
    /// The group whose checks are shown; nil for all.
    var group: String?
    var views: [CheckView]
    /// The checks of the whole, in which those of a group may stand on others.
    var allViews: [CheckView]
    /// The phases of the start-up, in order.
    var startUp: [StartUpProgress.Phase] = []
    /// Whether reasons are for the log alone, as in production.
    var hidesReasons: Bool
    /// Whether the page is not loaded again by itself.
    var staysStill = false

    /// Besides the content type: nothing may run, be loaded or be kept, nor show the page as a part of another one.
    var headers: [(name: String, value: String)] { self.staysStill ? Self.stillHeaders : Self.movingHeaders }

    private static let stillHeaders: [(name: String, value: String)] = [
        ("Cache-Control", "no-store"),
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src '\(styleHash)'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]
    private static let movingHeaders = stillHeaders + [("Refresh", "\(refreshSeconds)")]

    /// The page.
    func render() -> [UInt8] {
        var html = HTMLText(reserving: 16_384 + self.views.count * 4096)
        html.markup("<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>")
        self.addTitle(to: &html)
        html.markup(
            """
            </title><meta name=viewport content="width=device-width, initial-scale=1">\
            <meta name=color-scheme content="light dark"><meta name=robots content=noindex><style>
            """
        )
        html.markup(Self.style)
        html.markup("</style></head><body>")
        html.markup(Self.shapes)
        self.addHeader(to: &html)
        html.markup("<main class=wrap>")
        self.addFacts(to: &html)
        if self.phase.isShuttingDown { self.addShutdown(to: &html) }
        let startsNow = self.phase == .starting
        if startsNow { self.addStartUp(to: &html) }
        self.addChecks(to: &html)
        if !startsNow { self.addStartUp(to: &html) }
        html.markup("</main>")
        self.addFooter(to: &html)
        html.markup("</body></html>\n")
        return html.bytes
    }

    // MARK: - What is said first

    /// The class and the shape of the whole.
    private var mood: StaticString {
        switch self.status {
        case .healthy: "up"
        case .degraded: "degraded"
        case .unhealthy: "down"
        }
    }

    private var verdict: StaticString {
        if self.phase.isShuttingDown { return "shutting down" }
        if self.phase == .starting { return "starting" }
        return switch self.status {
        case .healthy: "healthy"
        case .degraded: "degraded"
        case .unhealthy: "unhealthy"
        }
    }

    private func addTitle(to html: inout HTMLText) {
        switch self.status {
        case .healthy: html.markup("✓ ")
        case .degraded: html.markup("⚠ ")
        case .unhealthy: html.markup("✕ ")
        }
        html.text(self.identity.name)
        html.markup(" is ")
        html.markup(self.verdict)
    }

    private func addHeader(to html: inout HTMLText) {
        html.markup("<header class=")
        html.markup(self.mood)
        html.markup("><div class=wrap><svg class=mood aria-hidden=true><use href=\"#")
        html.markup(self.mood)
        html.markup("\"/></svg><div><h1>")
        html.text(self.identity.name)
        html.markup(" is <b>")
        html.markup(self.verdict)
        html.markup("</b></h1><p>")
        self.addSummary(to: &html)
        html.markup("</p></div></div></header>")
    }

    private func addSummary(to html: inout HTMLText) {
        html.markup(
            self.isReady
                ? "Ready: requests are sent here. " : "<b>Not ready:</b> load balancers send no requests here. "
        )
        var counts = (down: 0, degraded: 0, unknown: 0)
        for view in self.views {
            switch view.outcome {
            case .down: counts.down += 1
            case .degraded: counts.degraded += 1
            case .unknown: counts.unknown += 1
            case .up: break
            }
        }
        guard counts != (0, 0, 0) else {
            switch self.views.count {
            case 0: html.markup("There are no checks.")
            case 1: html.markup("The one check is up.")
            default:
                html.markup("All ")
                html.number(self.views.count)
                html.markup(" checks are up.")
            }
            return
        }
        html.markup("Of ")
        html.count(self.views.count, "check", "checks")
        var isFirst = true
        for (count, word) in [
            (counts.down, "down" as StaticString), (counts.degraded, "degraded"), (counts.unknown, "unknown"),
        ] where count > 0 {
            html.markup(", ")
            html.number(count)
            html.markup(!isFirst ? " " : count == 1 ? " is " : " are ")
            isFirst = false
            html.markup(word)
        }
        html.markup(".")
    }

    private func addFacts(to html: inout HTMLText) {
        html.markup("<ul class=facts><li><span>Status</span> ")
        html.text(self.status.rawValue)
        if let group = self.group {
            html.markup("<li><span>Group</span> ")
            html.text(group)
        }
        html.markup("<li><span>Ready</span> ")
        html.markup(self.isReady ? "yes" : "no")
        html.markup("<li><span>Phase</span> ")
        html.markup(Self.words(for: self.phase))
        html.markup("<li><span>Up for</span> ")
        html.span(seconds: self.uptime)
        html.markup("<li><span>Environment</span> ")
        html.text(self.environment)
        if let release = self.identity.release {
            html.markup("<li><span>Version</span> ")
            html.text(release)
        }
        if let instance = self.identity.instance {
            html.markup("<li><span>Instance</span> ")
            html.text(instance)
        }
        html.markup("<li><span>As of</span> ")
        html.clock(self.timestamp, now: self.timestamp)
        html.markup("</ul>")
    }

    private func addFooter(to html: inout HTMLText) {
        html.markup("<footer class=wrap><p>")
        if self.staysStill {
            html.markup("This page stays as it is. <a href=\"?refresh=on\">Refresh it every ")
            html.number(Self.refreshSeconds)
            html.markup(" seconds</a>")
        } else {
            html.markup("This page is loaded again every ")
            html.number(Self.refreshSeconds)
            html.markup(" seconds. <a href=\"?refresh=off\">Stop that</a>")
        }
        html.markup("</footer>")
    }

    // MARK: - Phases

    static func words(for phase: Phase) -> StaticString {
        switch phase {
        case .starting: "starting"
        case .serving: "serving"
        case .draining: "draining"
        case .finishing: "finishing requests"
        case .cancelling: "cancelling requests"
        case .cleaningUp: "cleaning up"
        case .stopped: "stopped"
        }
    }

    private func addShutdown(to html: inout HTMLText) {
        html.markup("<section aria-labelledby=shutdown><h2 id=shutdown>Shutdown</h2><ol class=steps>")
        for phase in [Phase.draining, .finishing, .cancelling, .cleaningUp, .stopped] {
            let isOver = phase.rawValue < self.phase.rawValue
            let isNow = phase == self.phase
            html.markup(isNow ? "<li class=now aria-current=step>" : isOver ? "<li class=over>" : "<li>")
            self.addStepShape(isOver ? "up" : isNow ? "now" : "later", to: &html)
            html.markup("<span>")
            html.markup(Self.words(for: phase))
            html.markup(isOver ? "</span> <i>over</i>" : isNow ? "</span> <i>now</i>" : "</span> <i>to come</i>")
        }
        html.markup("</ol></section>")
    }

    private func addStartUp(to html: inout HTMLText) {
        guard !self.startUp.isEmpty else { return }
        html.markup("<section aria-labelledby=startup><h2 id=startup>Start-up</h2><ol class=steps>")
        for step in self.startUp {
            let isRunning = step.state != .done
            html.markup(isRunning ? "<li class=now aria-current=step>" : "<li>")
            switch step.state {
            case .running: self.addStepShape("now", to: &html)
            case .done: self.addStepShape("up", to: &html)
            case .failed: self.addStepShape("degraded", to: &html)
            }
            html.markup("<span>")
            html.text(step.name)
            html.markup("</span> <i>")
            switch step.state {
            case .running: html.markup("running for ")
            case .done: html.markup("done in ")
            case .failed: html.markup("failing for ")
            }
            html.time(step.duration)
            if step.failedAttempts > 0 {
                html.markup(", ")
                html.count(step.failedAttempts, "failed attempt", "failed attempts")
            }
            html.markup("</i>")
        }
        html.markup("</ol></section>")
    }

    private func addStepShape(_ id: StaticString, to html: inout HTMLText) {
        html.markup("<svg class=\"shape ")
        html.markup(id)
        html.markup("\" aria-hidden=true><use href=\"#")
        html.markup(id)
        html.markup("\"/></svg> ")
    }
}
