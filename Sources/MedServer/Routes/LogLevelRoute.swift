// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import MedTelemetry
import NIOCore

/// `PUT /log-level` on the management port: more of the log for a quarter of an hour, or until `DELETE`, without a restart.
///
/// The body is what `LOG_LEVEL` takes. Only this machine may, or whoever has the token. What has changed is logged by
/// `LogLevels`, in the request's context.
struct LogLevelRoute: Sendable {
    /// How long what was asked for holds.
    static let duration = Duration.seconds(15 * 60)

    let levels: LogLevels
    let token: ManagementToken?

    func add(to router: Router<ServerRequestContext>) {
        router.get("log-level") { request, context in
            try self.authorize(request, context)
            return self.answer()
        }
        router.put("log-level", use: self.put)
        router.delete("log-level") { request, context in
            try self.authorize(request, context)
            self.levels.endOverride()
            return self.answer()
        }
    }

    @Sendable private func put(request: Request, context: ServerRequestContext) async throws -> Response {
        try self.authorize(request, context)
        let body = try await request.body.collect(upTo: LogLevelRules.maximumLength)
        let text = String(buffer: body).split(whereSeparator: \.isNewline).joined(separator: ",")
        do throws(LogLevelRulesError) {
            self.levels.override(try LogLevelRules(text), until: .now + Self.duration)
            return self.answer()
        } catch {
            return DrillRoutes.json(.badRequest, #"{"error":"invalid_level"}"#)
        }
    }

    private func answer() -> Response {
        var json = #"{"levels":"\#(self.levels.rules)""#
        if let override = self.levels.currentOverride {
            let seconds = (override.deadline - .now).components.seconds
            json += #","override":"\#(override.rules)","secondsLeft":\#(max(0, seconds))"#
        }
        return DrillRoutes.json(.ok, json + "}")
    }

    private func authorize(_ request: Request, _ context: ServerRequestContext) throws {
        if let token {
            let words = (request.headers[.authorization] ?? "").split(separator: " ", maxSplits: 1)
            if words.count == 2, words[0].lowercased() == "bearer", token.matches(words[1]) { return }
        }
        let isHere = context.channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }?.isLocalhost ?? false
        guard isHere, !Self.isForAnother(request.headers) else { throw HTTPError(.forbidden) }
    }

    /// Whether a request from this machine may be somebody else's: a proxy passes on what others ask for, and a browser
    /// what any page has it ask for.
    static func isForAnother(_ headers: HTTPFields) -> Bool {
        headers.contains { field in
            let name = field.name.canonicalName
            return Self.marks.contains(name) || Self.markBeginnings.contains(where: name.hasPrefix)
        }
    }

    /// Header fields that only proxies add, whatever they say, or only browsers.
    private static let marks: Set<String> = [
        "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "client-ip", "true-client-ip",
        "cf-connecting-ip", "cf-connecting-ipv6", "cf-ray", "cdn-loop", "fastly-client-ip", "fly-client-ip",
        "x-azure-clientip", "x-original-forwarded-for", "x-original-host", "x-envoy-external-address",
        "proxy-client-ip", "wl-proxy-client-ip",
        "origin", "referer",
    ]

    /// The same, of whole families: `X-Forwarded-For`, `-Host`, `-Proto` and others; `Sec-Fetch-Site` and others, which
    /// no script can set.
    private static let markBeginnings = ["x-forwarded-", "sec-"]
}
