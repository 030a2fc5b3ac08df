// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import Logging

// A "hello" of the size of our probes' answers, with as many headers, and nothing else.
func hello(_ body: String) -> Response {
    Response(
        status: .ok,
        headers: [.contentType: "application/json; charset=utf-8", .cacheControl: "no-store"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: body))
    )
}

let router = Router()
router.get("live") { _, _ in hello(#"{"alive":true,"timestamp":"2025-10-27T05:34:00.000Z","uptime":0}"#) }
router.get("ready") { _, _ in
    hello(#"{"ready":true,"timestamp":"2025-10-27T05:34:00.000Z","checks":{"database":true,"server":true}}"#)
}
guard let port = Environment().get("PORT", as: Int.self) else { fatalError("PORT is not set") }
var logger = Logger(label: "bare-hummingbird")
logger.logLevel = .error
let application = Application(
    router: router,
    configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
    logger: logger
)
try await application.runService()
