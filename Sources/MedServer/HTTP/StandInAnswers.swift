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
        let date = ("Date", self.shared.date.value)
        var headers = [date, ("Content-Type", "application/json; charset=utf-8")]
        guard let probe = ProbeRequest(target: target), self.endpoint.answers(probe.probe),
            // It does not look who asks.
            !probe.probe.isDetailed || self.shared.access.health == nil
        else {
            let refusal = self.shared.lifecycle.phase.isShuttingDown ? Refusal.shuttingDown : .stalled
            headers += refusal.headers
            return (Int(refusal.status.code), headers, Array(ErrorBody.json(refusal.code).readableBytesView))
        }
        guard method == "GET" || method == "HEAD" else {
            headers += [("Allow", "GET, HEAD"), ("Cache-Control", "no-store")]
            return (405, headers, Array(ErrorBody.json("method_not_allowed").readableBytesView))
        }
        let answer = self.shared.probes.answer(to: probe)
        let own = answer.headers.map { ($0.name, $0.value) }
        return (answer.status, [date, ("Content-Type", answer.contentType)] + own, answer.body)
    }
}
