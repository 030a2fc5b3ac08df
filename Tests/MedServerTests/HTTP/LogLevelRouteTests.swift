// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import MedServer

@Suite struct LogLevelRouteTests {
    private func isForAnother(_ name: String) throws -> Bool {
        var headers: HTTPFields = [.userAgent: "curl/8.5.0", .accept: "*/*"]
        headers[try #require(HTTPField.Name(name))] = ""
        return LogLevelRoute.isForAnother(headers)
    }

    @Test(arguments: [
        "Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "Client-IP", "True-Client-IP",
        "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Ray", "CDN-Loop", "Fastly-Client-IP", "Fly-Client-IP",
        "X-Azure-ClientIP", "X-Original-Forwarded-For", "X-Original-Host", "X-Envoy-External-Address",
        "Proxy-Client-IP", "WL-Proxy-Client-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
        "X-Forwarded-Port", "X-Forwarded-Server", "x-forwarded-client-cert", "Origin", "Referer", "Sec-Fetch-Site",
        "SEC-FETCH-MODE", "Sec-CH-UA",
    ])
    func `a request with a mark of a proxy or a browser is not from this machine`(name: String) throws {
        #expect(try self.isForAnother(name))
    }

    @Test(arguments: [
        "Content-Length", "Content-Type", "X-Request-Id", "traceparent", "Authorization", "X-Forwarded", "Secret",
        "Viable", "Expect",
    ])
    func `what a program on this machine sends is from this machine`(name: String) throws {
        #expect(try !self.isForAnother(name))
    }
}
