// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import HummingbirdCore
import HummingbirdHTTP2
import Logging
import NIOCore
import NIOPosix
import NIOSSL

// A "hello" with the body and the headers of ours, and nothing else. Its settings have the names that they have in
// MedBuilder, so that both are started in the same way. One thing it cannot do is HTTP/1.1 and h2c on one port: H2C=on
// makes it speak h2c alone.

/// As many as ours has, which leaves the other cores to the handlers.
let loops = MultiThreadedEventLoopGroup(numberOfThreads: max(1, System.coreCount / 2))

func hello(_ body: String) -> Response {
    Response(
        status: .ok,
        headers: [.contentType: "application/json; charset=utf-8", .cacheControl: "no-store"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: body))
    )
}

let router = Router()
router.get("_drill/hello") { _, _ in hello(#"{"hello":"world"}"#) }
router.get("live") { _, _ in hello(#"{"alive":true,"timestamp":"2025-10-27T05:34:00.000Z","uptime":0}"#) }
router.get("ready") { _, _ in
    hello(#"{"ready":true,"timestamp":"2025-10-27T05:34:00.000Z","checks":{"database":true,"server":true}}"#)
}

let environment = Environment()
guard let port = environment.get("PORT", as: Int.self) else { fatalError("PORT is not set") }
let idleTimeout = environment.get("HTTP_IDLE_TIMEOUT_SECONDS", as: Int.self) ?? 75
// An idle timeout in what it calls the configuration of streams would hold for HTTP/1.1 over TLS too, but give
// every stream of HTTP/2 a timer, which ours have not. Without, it has a little less to do than ours.
let http2 = HTTP2Channel.Configuration(idleTimeout: .seconds(idleTimeout))

let server: HTTPServerBuilder
if let certificates = environment.get("TLS_CERTIFICATE_FILE"), let key = environment.get("TLS_KEY_FILE") {
    server = try .http2Upgrade(
        tlsConfiguration: .makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificates).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        ),
        configuration: http2
    )
} else if environment.get("H2C") == "on" {
    server = .plaintextHTTP2(configuration: http2)
} else {
    server = .http1(configuration: .init(idleTimeout: .seconds(Int64(idleTimeout))))
}

var logger = Logger(label: "bare-hummingbird")
logger.logLevel = .error
let application = Application(
    router: router,
    server: server,
    configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
    eventLoopGroupProvider: .shared(loops),
    logger: logger
)
try await application.runService()
