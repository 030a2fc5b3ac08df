// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// TLS and its certificates, and the limits that a client meets.
@Suite(.endToEnd) struct TransportTests {
    // MARK: Certificates

    @Test(arguments: [true, false])
    func `a new certificate is taken on without dropping a connection`(bySignal: Bool) async throws {
        let server = try await startHealthy(tls: true)
        let old = try #require(server.certificate)
        let port = try await server.process.port
        // Made first, because that takes its time.
        let new = try await TestCertificate(in: makeFolder("new"))
        // One that began with the old certificate, and goes on.
        let target = "https://localhost:\(port)/_drill/stream?ms=6000&chunks=30"
        let stream = try self.curl(["-N", "--cacert", old.authority.path, "--http2", target])
        try await eventually("the stream has begun") { stream.outputText.contains("chunk 1\n") || stream.hasEnded }

        for (from, to) in [(new.server, old.server), (new.serverKey, old.serverKey)] {
            #expect(rename(from.path, to.path) == 0)
        }
        if bySignal { server.process.send(SIGHUP) }
        _ = try await server.process.record("TLS certificate reloaded")
        let answer = try await runTool(
            "curl", ["-sS", "--cacert", new.authority.path, "https://localhost:\(port)/_drill/hello"])
        #expect(answer == #"{"hello":"world"}"#)
        #expect(try await stream.waitForExit() == .code(0))
        try await stream.waitForOutput()
        #expect(stream.outputText.hasSuffix("chunk 30\n"))
    }

    @Test func `a file that is no certificate changes nothing, and is told once`() async throws {
        let server = try await startHealthy(tls: true)
        let certificate = try #require(server.certificate)
        try Data("nonsense".utf8).write(to: certificate.server)
        server.process.send(SIGHUP)
        let record = try await server.process.record("TLS certificate not reloaded, the old one stays")
        #expect(record.level == "error")
        let port = try await server.process.port
        try await runTool("curl", ["-sS", "--cacert", certificate.authority.path, "https://localhost:\(port)/live"])
        #expect(!server.process.messages.contains("TLS certificate reloaded"))
    }

    @Test(arguments: ["pipe", "folder", "huge", "missing"])
    func `whatever takes the place of a certificate holds up neither the server nor its end`(what: String) async throws
    {
        let server = try await startHealthy(tls: true)
        let certificate = try #require(server.certificate)
        let path = certificate.server.path
        #expect(unlink(path) == 0)
        switch what {
        case "pipe": #expect(mkfifo(path, 0o600) == 0)
        case "folder": #expect(mkdir(path, 0o700) == 0)
        case "huge":
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
            // Sparse, and longer than any memory.
            #expect(truncate(path, 1 << 40) == 0)
        default: break
        }
        for _ in 0..<100 { server.process.send(SIGHUP) }
        try await server.process.record("TLS certificate not reloaded, the old one stays")
        let port = try await server.process.port
        try await runTool("curl", ["-sS", "--cacert", certificate.authority.path, "https://localhost:\(port)/live"])
        server.process.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(0))
    }

    @Test(arguments: ["optional", "required"])
    func `clients show a certificate if they must, and a good one`(asked: String) async throws {
        let folder = try makeFolder("clients")
        let known = try await TestCertificate(in: folder)
        let stranger = try await TestCertificate(in: makeFolder("strangers"))
        let server = try await startHealthy(
            ["TLS_CLIENT_CA_FILE": known.authority.path, "TLS_CLIENT_CERTIFICATE": asked], tls: true)
        let target = "https://localhost:\(try await server.process.port)/_drill/hello"
        let common = ["-sS", "--cacert", try #require(server.certificate).authority.path]
        func works(_ certificate: TestCertificate?) async throws -> Bool {
            let own = certificate.map { ["--cert", $0.client.path, "--key", $0.clientKey.path] } ?? []
            let curl = try self.curl(common + own + [target])
            return try await curl.waitForExit() == .code(0)
        }
        #expect(try await works(known))
        #expect(try await works(nil) == (asked == "optional"))
        #expect(try await !works(stranger))
    }

    @Test func `health says when the certificate expires`() async throws {
        let server = try await startHealthy(tls: true)
        let health = try await server.probe("/health").json
        #expect(health.value(at: "checks.tlsCertificate.expiresInDays")?.integer == 29)
        #expect(health["status"]?.string == "healthy")
    }

    @Test(arguments: ["certificate", "key", "mismatch", "missing"])
    func `files that cannot be served are a mistake in the settings`(mistake: String) async throws {
        let certificate = try await TestCertificate(in: makeFolder("tls"))
        var files = (certificate: certificate.server.path, key: certificate.serverKey.path)
        switch mistake {
        case "certificate": files.certificate = certificate.serverKey.path
        case "key": files.key = certificate.server.path
        case "mismatch": files.key = certificate.clientKey.path
        default: files.certificate += ".gone"
        }
        let result = try await run(
            "serve", environment: ["TLS_CERTIFICATE_FILE": files.certificate, "TLS_KEY_FILE": files.key])
        #expect(result.exit == .code(78))
        #expect(result.errors.split(separator: "\n").count == 1 && result.errors.contains("/tls/"), "\(result.errors)")
        #expect(!result.output.contains("serving on port"))
    }

    // MARK: Limits

    @Test func `a body that is too long is 413, told in advance or not`() async throws {
        let server = try await drillServer(["HTTP_MAX_BODY_BYTES": "1000"])
        let told = try await server.connect()
        try await told.send("POST /_drill/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        let answer = try await told.response(to: "POST")
        #expect(answer.status == 413)
        #expect(answer.text == #"{"error":"body_too_large"}"#)
        #expect(try await told.ending() == .closed)
        let untold = try await server.connect()
        let chunks = String(repeating: "64\r\n\(String(repeating: "x", count: 100))\r\n", count: 11)
        try await untold.send("POST /_drill/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)")
        #expect(try await untold.response(to: "POST").status == 413)
        #expect(try await server.post("/_drill/echo", body: String(repeating: "x", count: 1000)).status == 200)

        let file = try testFolder().appending(path: "body")
        try Data(repeating: 0x78, count: 1001).write(to: file)
        let status = try await runTool(
            "curl",
            [
                "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary",
                "@\(file.path)", "http://127.0.0.1:\(try await server.port)/_drill/echo",
            ])
        #expect(status == "413")
    }

    @Test func `header fields that are too long are 431`() async throws {
        let server = try await drillServer(["HTTP_MAX_HEADER_BYTES": "2000"])
        let port = try await server.port
        let fields = "X-Long: \(String(repeating: "x", count: 3000))\r\n"
        #expect(try await RawClient.exchange(port: port, "GET", "/_drill/hello", fields: fields).status == 431)
        let status = try await runTool(
            "curl",
            [
                "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}", "-H",
                "X-Long: \(String(repeating: "x", count: 3000))", "http://127.0.0.1:\(port)/_drill/hello",
            ])
        #expect(status == "431")
    }

    @Test func `a body that does not come is 408`() async throws {
        let server = try await drillServer(["HTTP_BODY_TIMEOUT_SECONDS": "0.5"])
        let client = try await server.connect()
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        let answer = try await client.response(to: "POST")
        #expect(answer.status == 408)
        #expect(answer.saysClose)
        #expect(try await client.ending() == .closed)
    }

    @Test func `a connection ends after as many requests as are allowed`() async throws {
        let server = try await drillServer(["HTTP_MAX_REQUESTS_PER_CONNECTION": "3"])
        let client = try await server.connect()
        for number in 1...3 {
            let answer = try await client.get("/_drill/hello")
            #expect(answer.status == 200)
            #expect(answer.saysClose == (number == 3))
        }
        #expect(try await client.ending() == .closed)
        // HTTP/2 is told to go elsewhere, and nothing that was begun is lost: h2load, which does not go there, begins no more.
        let load = try await runTool(
            "h2load", ["-n", "200", "-c", "1", "-m", "1", "http://127.0.0.1:\(try await server.port)/_drill/hello"])
        #expect(load.contains("200 total, 3 started, 3 done, 3 succeeded,"), "\(load)")
    }

    // MARK: Steps

    private func curl(_ arguments: [String]) throws -> ChildProcess {
        let curl = try ChildProcess(
            "curl", ["-sS"] + arguments, environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"], folder: testFolder())
        try #require(EndToEnd.current).add(curl)
        return curl
    }
}
