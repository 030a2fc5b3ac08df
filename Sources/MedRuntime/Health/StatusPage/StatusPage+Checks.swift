// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension StatusPage {
    func addChecks(to html: inout HTMLText) {
        guard !self.views.isEmpty else { return }
        html.markup("<section aria-labelledby=checks><h2 id=checks>Checks</h2>")
        html.markup("<ul class=checks>")
        for view in self.worstFirst { self.add(view, to: &html) }
        html.markup("</ul></section>")
    }

    /// What keeps requests away stands before what does not; otherwise in the order of registration.
    private var worstFirst: [CheckView] {
        func rank(_ view: CheckView) -> Int {
            let isUp = view.outcome == .up
            return view.outcome.rawValue * 2 + (isUp || view.check.readiness != .ignored ? 0 : 1)
        }
        return self.views.enumerated()
            .map { (rank: rank($0.element), index: $0.offset, view: $0.element) }
            .sorted { ($0.rank, $0.index) < ($1.rank, $1.index) }
            .map(\.view)
    }

    private func add(_ view: CheckView, to html: inout HTMLText) {
        let outcome = view.outcome
        html.markup("<li class=")
        html.markup(Self.shape(outcome))
        html.markup("><div class=what><h3>")
        html.text(view.check.name)
        html.markup("</h3><p class=state><svg class=shape aria-hidden=true><use href=\"#")
        html.markup(Self.shape(outcome))
        html.markup("\"/></svg> <b>")
        html.markup(Self.word(outcome))
        html.markup("</b> <span class=tag>")
        html.markup(view.check.readiness == .ignored ? "not required" : "required")
        html.markup("</span></div><div class=why>")
        self.addReason(view, to: &html)
        html.markup("<div class=facts><p><span>Since</span> ")
        html.moment(view.lastChange, now: self.timestamp)
        html.markup("<p><span>Last run</span> ")
        if let lastRun = view.lastRun {
            html.age(of: lastRun, now: self.timestamp)
        } else {
            html.markup("none yet")
        }
        if let time = view.responseTime {
            html.markup("<p><span>Response time</span> ")
            html.time(time)
        }
        if view.showsDetails(hidesReasons: self.hidesReasons) { self.addDetails(view, to: &html) }
        html.markup("</div></div>")
        self.addHistory(view, to: &html)
    }

    static func shape(_ outcome: CheckView.Outcome) -> StaticString {
        switch outcome {
        case .down: "down"
        case .degraded: "degraded"
        case .unknown: "unknown"
        case .up: "up"
        }
    }

    static func word(_ outcome: CheckView.Outcome) -> StaticString {
        switch outcome {
        case .down: "Down"
        case .degraded: "Degraded"
        case .unknown: "Unknown"
        case .up: "Up"
        }
    }

    /// Why it is not up: what everybody may know, or where it can be looked up.
    private func addReason(_ view: CheckView, to html: inout HTMLText) {
        switch view.outcome {
        case .up: return
        case .unknown:
            let causes = view.causes(among: self.allViews)
            guard !causes.isEmpty else {
                return html.markup("<p class=reason>What it stands on is up again; it has not answered yet.</p>")
            }
            html.markup("<p class=reason>It stands on ")
            for (index, name) in causes.enumerated() {
                if index > 0 { html.markup(index == causes.count - 1 ? " and " : ", ") }
                html.markup("<b>")
                html.text(name)
                html.markup("</b>")
            }
            html.markup(causes.count == 1 ? ", which is not up.</p>" : ", which are not up.</p>")
        case .down, .degraded:
            if !self.hidesReasons {
                html.markup("<p class=reason dir=auto>")
                html.text(view.report.summary ?? "No reason was given.")
                html.markup("</p>")
            }
            if let id = view.failureID {
                html.markup(
                    self.hidesReasons ? "<p class=reason>The log has the reason" : "<p class=log>The log has more")
                html.markup(": error.id <code>")
                html.text(id)
                html.markup("</code></p>")
            } else if self.hidesReasons {
                html.markup("<p class=reason>The log has the reason.</p>")
            }
        }
    }

    private func addDetails(_ view: CheckView, to html: inout HTMLText) {
        // The page says these two in its own way.
        let details = view.report.details.filter {
            $0.name != "responseTime" && $0.name != "status" && $0.value != .null
        }
        guard !details.isEmpty else { return }
        html.markup("<p class=details><span>Details</span> ")
        for (index, detail) in details.enumerated() {
            if index > 0 { html.markup(", ") }
            html.markup("<b>")
            html.text(detail.name)
            html.markup("</b>\u{A0}")
            switch detail.value {
            case .string(let value): html.text(value)
            case .integer(let value): html.number(value)
            case .boolean(let value): html.markup(value ? "yes" : "no")
            case .null: break
            }
        }
    }

    // MARK: - History

    /// One bar a run, the latest at the right: its height is the response time. Runs that failed have a foot below the
    /// line, so that they can be told apart without colours.
    private func addHistory(_ view: CheckView, to html: inout HTMLText) {
        html.markup("<figure>")
        let history = view.history.suffix(CheckView.historyLength)
        guard let last = history.last else {
            html.markup("<figcaption>No run yet</figcaption></figure>")
            return
        }
        let times = history.map { HTMLText.microseconds($0.responseTime) }
        let longest = max(1, times.max() ?? 1)
        let failed = history.count { $0.status != .healthy }

        html.markup("<svg class=bars role=img viewBox=\"0 0 240 36\"><title>")
        html.count(history.count, "run", "runs")
        if failed > 0 {
            html.markup(", of which ")
            html.number(failed)
            html.markup(" failed; the last one ")
            html.markup(last.status == .healthy ? "worked" : "failed")
        } else {
            html.markup(history.count == 1 ? ", which worked" : ", all of which worked")
        }
        html.markup(". Response times from ")
        html.time(.microseconds(times.min() ?? 0))
        html.markup(" to ")
        html.time(.microseconds(longest))
        html.markup(".</title><path class=line d=\"M0 28H240\"/>")
        for status in [HealthStatus.healthy, .degraded, .unhealthy]
        where history.contains(where: { $0.status == status }) {
            switch status {
            case .healthy: html.markup("<path class=ok d=\"")
            case .degraded: html.markup("<path class=warn d=\"")
            case .unhealthy: html.markup("<path class=bad d=\"")
            }
            var x = 2 + (CheckView.historyLength - history.count) * 4
            for (point, time) in zip(history, times) {
                if point.status == status {
                    // By the square root, so that one slow run does not make all the others look alike.
                    let height = 3 + Int(23 * (Double(time) / Double(longest)).squareRoot())
                    html.markup("M")
                    html.number(x)
                    html.markup(" 27v-")
                    html.number(height)
                    if status != .healthy {
                        html.markup("M")
                        html.number(x)
                        html.markup(status == .degraded ? " 29v3" : " 29v7")
                    }
                }
                x += 4
            }
            html.markup("\"/>")
        }
        html.markup("</svg><figcaption aria-hidden=true>")
        html.count(history.count, "run", "runs")
        if failed > 0 {
            html.markup(", <b>")
            html.number(failed)
            html.markup(" failed</b>")
        }
        html.markup(" · up to ")
        html.time(.microseconds(longest))
        html.markup("</figcaption></figure>")
    }
}
