// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import MedTelemetry
import NIOCore

/// `PUT /log-level` on the management port: more of the log for a quarter of an hour, or until `DELETE`, without a restart.
///
/// The body is what `LOG_LEVEL` takes. Only this machine may, or whoever has the token.
struct LogLevelRoute: Sendable {
    /// How long what was asked for holds.
    static let duration = Duration.seconds(15 * 60)

    let levels: LogLevels
    let token: ManagementToken?
    let logger: Logger

    func add(to router: Router<ServerRequestContext>) {
        router.get("log-level") { request, context in
            try self.authorize(request, context)
            return self.answer()
        }
        router.put("log-level", use: self.put)
        router.delete("log-level") { request, context in
            try self.authorize(request, context)
            self.levels.endOverride()
            self.tellRules()
            return self.answer()
        }
    }

    @Sendable private func put(request: Request, context: ServerRequestContext) async throws -> Response {
        try self.authorize(request, context)
        let body = try await request.body.collect(upTo: LogLevelRules.maximumLength)
        let text = String(buffer: body).split(whereSeparator: \.isNewline).joined(separator: ",")
        do throws(LogLevelRulesError) {
            let rules = try LogLevelRules(text)
            // Before it holds: it may be what silences this very line.
            self.logger.notice(
                "Log levels changed",
                metadata: ["log.levels": "\(rules)", "log.levels_seconds": "\(Self.duration.components.seconds)"])
            self.levels.override(rules, until: .now + Self.duration) { self.tellRules() }
            return self.answer()
        } catch {
            return DrillRoutes.json(.badRequest, #"{"error":"invalid_level"}"#)
        }
    }

    /// Says what holds from now on.
    private func tellRules() {
        self.logger.notice("Log levels changed", metadata: ["log.levels": "\(self.levels.rules)"])
    }

    private func answer() -> Response {
        var json = #"{"levels":"\#(self.levels.rules)""#
        if let override = self.levels.currentOverride {
            let seconds = (override.deadline - .now).components.seconds
            json += #","override":"\#(override.rules)","secondsLeft":\#(max(0, seconds))"#
        }
        return DrillRoutes.json(.ok, json + "}")
    }

    /// A proxy on this machine speaks for others, so what it has passed on does not come from here.
    private func authorize(_ request: Request, _ context: ServerRequestContext) throws {
        if let token {
            let words = (request.headers[.authorization] ?? "").split(separator: " ", maxSplits: 1)
            if words.count == 2, words[0].lowercased() == "bearer", token.matches(words[1]) { return }
        }
        let isForwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].contains { name in
            HTTPField.Name(name).map { request.headers[$0] != nil } ?? false
        }
        let isHere = context.channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }?.isLoopback ?? false
        guard isHere, !isForwarded else { throw HTTPError(.forbidden) }
    }
}
