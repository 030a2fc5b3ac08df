// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Clients that we did not write, over everything that the port speaks.
@Suite(.endToEnd) struct ClientTests {
    // MARK: curl

    @Test(arguments: [
        (["--http1.1"], "1.1"), (["--http2"], "2"), (["--http2", "--tlsv1.2", "--tls-max", "1.2"], "2"),
        (["--http2", "--tlsv1.3"], "2"), (["--http1.1", "--tlsv1.2", "--tls-max", "1.2"], "1.1"),
        (["--http1.0"], "1"),
    ])
    func `curl over TLS`(options: [String], version: String) async throws {
        let server = try await startHealthy(tls: true)
        let certificate = try #require(server.certificate)
        let base = "https://localhost:\(try await server.process.port)"
        try await self.curl(options + ["--cacert", certificate.authority.path], base: base, version: version)
    }

    @Test(arguments: [
        (["--http1.1"], "1.1"), (["--http2-prior-knowledge"], "2"), (["--http2"], "1.1"), (["--http1.0"], "1"),
    ])
    func `curl without TLS`(options: [String], version: String) async throws {
        let server = try await startHealthy(tls: false)
        try await self.curl(options, base: "http://127.0.0.1:\(try await server.process.port)", version: version)
    }

    @Test func `curl does not take a certificate of somebody unknown, nor old TLS`() async throws {
        let server = try await startHealthy(tls: true)
        let certificate = try #require(server.certificate)
        let target = "https://localhost:\(try await server.process.port)/live"
        await #expect(throws: HarnessError.self) { try await runTool("curl", ["-sS", target]) }
        let old = [
            "-sS", "--cacert", certificate.authority.path, "--ciphers", "DEFAULT@SECLEVEL=0", "--tls-max", "1.1",
        ]
        await #expect(throws: HarnessError.self) { try await runTool("curl", old + [target]) }
    }

    /// A `GET`, a `HEAD`, a `POST`, a large one, and what is not there.
    private func curl(_ options: [String], base: String, version: String) async throws {
        let common = ["-sS", "-4", "-o", "-", "-w", "|%{http_code} %{http_version}"] + options
        let get = try await runTool("curl", common + ["\(base)/_drill/hello"])
        #expect(get == #"{"hello":"world"}|200 \#(version)"#)
        let stream = try await runTool("curl", common + ["\(base)/_drill/stream?ms=20&chunks=2"])
        #expect(stream == "chunk 1\nchunk 2\n|200 \(version)")
        // The head is printed; a body would be in the way.
        let head = try await runTool("curl", common + ["--head", "\(base)/live"])
        #expect(head.hasPrefix("HTTP/\(version)") && head.contains(" 200"), "\(head)")
        #expect(head.lowercased().contains("content-length: ") && !head.contains("alive"), "\(head)")
        let post = try await runTool("curl", common + ["--data", "some text", "\(base)/_drill/echo"])
        #expect(post == "some text|200 \(version)")
        let missing = try await runTool("curl", common + ["\(base)/nothing"])
        #expect(missing.hasSuffix("|404 \(version)"), "\(missing)")

        let large = try testFolder().appending(path: "large")
        let bytes = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
        try bytes.write(to: large)
        let back = try testFolder().appending(path: "back")
        try await runTool(
            "curl",
            ["-sS", "-4", "-o", back.path, "--data-binary", "@\(large.path)"] + options + ["\(base)/_drill/echo"])
        #expect(try Data(contentsOf: back) == bytes)
        // This curl cannot do that with anybody.
        if options.contains("--http2-prior-knowledge") { return }
        // Five at once over as few connections as it can.
        let many = try await runTool(
            "curl",
            ["-sS", "-4", "--parallel", "-w", "%{http_code}"] + options
                + (1...5).flatMap { _ in ["-o", "/dev/null", "\(base)/_drill/sleep?ms=50"] })
        #expect(many == "200200200200200")
    }

    // MARK: httpx

    @Test func `Python's httpx over HTTP 2 and TLS`() async throws {
        let server = try await startHealthy(tls: true)
        let certificate = try #require(server.certificate)
        let script = """
            import asyncio, httpx, ssl, sys
            async def main(base, authority):
                async with httpx.AsyncClient(http2=True, verify=ssl.create_default_context(cafile=authority)) as client:
                    answers = await asyncio.gather(*[client.get(base + "/_drill/sleep?ms=20") for _ in range(50)])
                    assert all((a.status_code, a.http_version) == (200, "HTTP/2") for a in answers), answers
                    body = b"x" * 200000
                    answers = await asyncio.gather(*[client.post(base + "/_drill/echo", content=body) for _ in range(5)])
                    assert all(a.content == body for a in answers), answers
                    head = await client.head(base + "/live")
                    assert (head.status_code, head.content) == (200, b""), head
                    async with client.stream("GET", base + "/_drill/stream?ms=50&chunks=5") as answer:
                        text = "".join([part async for part in answer.aiter_text()])
                    assert text == "".join(f"chunk {n}\\n" for n in range(1, 6)), text
                print("all good")
            asyncio.run(main(*sys.argv[1:]))
            """
        let base = "https://127.0.0.1:\(try await server.process.port)"
        let printed = try await runTool("/usr/bin/python3", ["-c", script, base, certificate.authority.path])
        #expect(printed == "all good\n")
    }

    // MARK: Chromium

    @Test func `Chromium over HTTP 2 and TLS`() async throws {
        let server = try await startHealthy(tls: true)
        let log = try testFolder().appending(path: "network.json")
        let shown = try await runTool(
            "chromium",
            [
                // The certificate's authority is the test's own; and a sandbox needs more rights than a test may have.
                "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--no-first-run",
                "--disable-background-networking", "--disable-dev-shm-usage",
                "--user-data-dir=\(try makeFolder("chromium").path)", "--log-net-log=\(log.path)", "--dump-dom",
                "https://127.0.0.1:\(try await server.process.port)/live",
            ])
        #expect(shown.contains(#"{"alive":true"#), "\(shown)")
        let network = try String(contentsOf: log, encoding: .utf8)
        #expect(network.contains(#""next_proto":"h2""#) || network.contains("HTTP2_SESSION_RECV_HEADERS"))
        server.process.send(SIGTERM)
        #expect(try await server.process.waitForExit() == .code(0))
    }
}
