// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import NIOCore
import NIOHTTP1

/// What the stand-in answers: the probes as always, and to everything else that it cannot be had here.
struct StandInAnswers: Sendable {
    let shared: ServerShared
    let endpoint: Endpoint

    @Sendable func answer(
        method: String,
        target: String
    ) -> (status: Int, headers: [(String, String)], body: [UInt8]) {
        var headers = [("Date", self.shared.date.value), ("Content-Type", "application/json; charset=utf-8")]
        guard let probe = ProbeRoute(target: target), self.endpoint.answers(probe) else {
            let refusal = self.shared.lifecycle.phase.isShuttingDown ? Refusal.shuttingDown : .stalled
            if let seconds = refusal.retryAfter { headers.append(("Retry-After", String(seconds))) }
            return (Int(refusal.status.code), headers, Array(ErrorBody.json(refusal.code).readableBytesView))
        }
        headers.append(("Cache-Control", "no-store"))
        guard method == "GET" || method == "HEAD" else {
            headers.append(("Allow", "GET, HEAD"))
            return (405, headers, Array(ErrorBody.json("method_not_allowed").readableBytesView))
        }
        let answer = self.shared.probes.answer(to: probe)
        return (answer.status, headers, answer.body)
    }
}

extension Probes {
    func answer(to route: ProbeRoute) -> Answer {
        switch route {
        case .live: self.live()
        case .ready: self.ready()
        case .health: self.health()
        }
    }
}
