// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Connections: how they are kept, limited and ended.
@Suite(.endToEnd) struct ConnectionTests {
    @Test func `a connection is kept alive, and closed when the client says so`() async throws {
        let client = try await readyServer().connect()
        for _ in 0..<3 { #expect(try await client.get("/live").status == 200) }
        try await client.request("GET", "/live", fields: "Connection: close\r\n")
        let answer = try await client.response()
        #expect(answer.status == 200)
        #expect(answer.saysClose)
        #expect(try await client.ending() == .closed)
    }

    @Test func `HTTP 1.0 gets its answer and the end`() async throws {
        let client = try await readyServer().connect()
        try await client.send("GET /live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        #expect(try await client.response().status == 200)
        #expect(try await client.ending() == .closed)
    }

    @Test func `pipelined requests are answered in order`() async throws {
        let client = try await drillServer().connect()
        let targets = ["/_drill/sleep?ms=200", "/nothing", "/_drill/stream?ms=100&chunks=3", "/live"]
        try await client.send(targets.map { RawClient.request("GET", $0) }.joined())
        let answers = try await [client.response(), client.response(), client.response(), client.response()]
        #expect(answers.map(\.status) == [200, 404, 200, 200])
        #expect(answers[2].framing == .chunked)
        #expect(try answers[3].json["alive"] == .bool(true))
    }

    @Test func `a thousand pipelined requests are answered`() async throws {
        let client = try await drillServer().connect()
        let sending = Task {
            for index in 0..<1000 { try await client.request("GET", index % 2 == 0 ? "/live" : "/_drill/rows") }
        }
        for index in 0..<1000 {
            let answer = try await client.response()
            #expect(answer.status == 200)
            #expect(answer.text.hasPrefix(index % 2 == 0 ? #"{"alive""# : #"{"rows""#))
        }
        try await sending.value
    }

    @Test func `a target may be a whole URL`() async throws {
        let client = try await drillServer().connect()
        for (target, status) in [
            ("http://localhost/live", 200), ("http://localhost:5000/ready?x", 200),
            ("http://localhost/_drill/rows", 200), ("*", 400), ("//live", 404),
        ] {
            try await client.request("GET", target)
            let answer = try await client.response()
            #expect(answer.status == status || (status == 400 && answer.status == 404), "\(target): \(answer)")
            if answer.saysClose { break }
        }
    }

    @Test func `requests that were sent before the client half-closed are answered`() async throws {
        let client = try await drillServer().connect()
        try await client.send(String(repeating: RawClient.request("GET", "/_drill/sleep?ms=200"), count: 2))
        client.finishSending()
        #expect(try await client.response().status == 200)
        #expect(try await client.response().status == 200)
        #expect(try await client.ending() == .closed)
    }

    @Test func `a client that leaves harms nobody`() async throws {
        let server = try await drillServer()
        for target in ["/_drill/sleep?ms=200", "/_drill/stream?ms=200&chunks=20"] {
            for client in try await server.inFlight(Array(repeating: target, count: 5)) { client.close() }
        }
        try await Task.sleep(for: .milliseconds(400))
        #expect(try await server.get("/ready").status == 200)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    // MARK: Time limits

    @Test func `silence is ended when the header timeout is over`() async throws {
        let client = try await readyServer(["HTTP_HEADER_TIMEOUT_SECONDS": "0.5"]).connect()
        _ = try await client.remainder()
    }

    @Test func `half a head and then silence is ended when the header timeout is over`() async throws {
        let client = try await readyServer(["HTTP_HEADER_TIMEOUT_SECONDS": "0.5"]).connect()
        try await client.send("GET /live HTTP/1.1\r\nHost: loc")
        _ = try await client.remainder()
    }

    @Test(arguments: [false, true])
    func `a head that dribbles in is ended all the same`(isSecond: Bool) async throws {
        let client = try await readyServer(["HTTP_HEADER_TIMEOUT_SECONDS": "3"]).connect()
        if isSecond { #expect(try await client.get("/live").status == 200) }
        let dribbling = Task {
            // A byte at a time, for much longer than the limit: only the server can end this.
            for byte in "GET /live HTTP/1.1\r\nX: \(String(repeating: "x", count: 400))".utf8 {
                do { try await client.send([byte]) } catch { return true }
                try await Task.sleep(for: .milliseconds(100))
            }
            return false
        }
        _ = try await client.remainder()
        client.close()
        #expect(try await dribbling.value)
    }

    @Test func `a body may take longer than the header timeout`() async throws {
        let client = try await drillServer(["HTTP_HEADER_TIMEOUT_SECONDS": "3"]).connect()
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n")
        for byte in "dribbled".utf8 {
            try await Task.sleep(for: .milliseconds(600))
            try await client.send([byte])
        }
        let answer = try await client.response()
        #expect(answer.status == 200)
        #expect(answer.text == "dribbled")
    }

    @Test func `a kept-alive connection without a next request is closed when the idle timeout is over`() async throws {
        let client = try await readyServer(["HTTP_IDLE_TIMEOUT_SECONDS": "0.5"]).connect()
        #expect(try await client.get("/live").status == 200)
        #expect(try await client.ending() == .closed)
    }

    @Test func `a connection in use is not idle`() async throws {
        let server = try await drillServer(["HTTP_IDLE_TIMEOUT_SECONDS": "2", "HTTP_HEADER_TIMEOUT_SECONDS": "1"])
        var rounds = 1
        while try await !self.usesConnection(of: server) {
            try #require(rounds < 10, "In none of ten rounds was the test itself quick enough.")
            rounds += 1
        }
    }

    /// Uses a connection in every way; false if the test was kept from that for nearly as long as the server waits.
    private func usesConnection(of server: ServerProcess) async throws -> Bool {
        // What is asked, and how many milliseconds the answer takes at least.
        let requests: [(target: String, takes: Int)] = [
            ("/live", 0), ("/live", 0), ("/live", 0), ("/live", 0),
            // Neither while a handler works, nor while it streams.
            ("/_drill/sleep?ms=2500", 2500), ("/_drill/stream?ms=2500&chunks=2", 2500), ("/live", 0),
        ]
        // The server has begun to wait at this moment, or later.
        var waitsSince = ContinuousClock.now
        var patience = Duration.milliseconds(900)
        let client = try await server.connect()
        for request in requests {
            let begun = ContinuousClock.now
            let isSent = (try? await client.request("GET", request.target)) != nil
            if ContinuousClock.now - waitsSince > patience { return false }
            #expect(isSent)
            let answer = try await client.response()
            #expect(answer.status == 200 && answer.isComplete)
            waitsSince = begun + .milliseconds(request.takes)
            patience = .milliseconds(1500)
            if request.takes == 0 { try await Task.sleep(for: .milliseconds(600)) }
        }
        return true
    }

    // MARK: The limit

    @Test func `one connection too many ends the one that has been idle the longest`() async throws {
        let server = try await readyServer(["HTTP_MAX_CONNECTIONS": "4"])
        // The connections of `waitUntilReady` are gone, but the server may not have noticed yet.
        try await Task.sleep(for: .milliseconds(200))
        var clients: [RawClient] = []
        for _ in 0..<4 {
            let client = try await server.connect()
            #expect(try await client.get("/live").status == 200)
            clients.append(client)
        }
        // The first is used again, so the second has now been idle the longest.
        #expect(try await clients[0].get("/live").status == 200)

        let fifth = try await server.connect()
        #expect(try await fifth.get("/live").status == 200)
        #expect(try await clients[1].ending() == .closed)
        for client in [clients[0], clients[2], clients[3], fifth] {
            #expect(try await client.get("/live").status == 200)
        }
    }

    @Test func `when every connection is busy, probes are answered and the rest is told to come back`() async throws {
        let server = try await drillServer(["HTTP_MAX_CONNECTIONS": "4"])
        try await Task.sleep(for: .milliseconds(200))
        var busy: [RawClient] = []
        for _ in 0..<4 {
            let client = try await server.connect()
            try await client.request("GET", ServerProcess.anHour)
            busy.append(client)
        }
        try await server.settle()

        for path in ["/live", "/ready", "/health"] {
            let answer = try await server.get(path)
            #expect(answer.status == 200, "\(answer)")
        }
        for target in ["/_drill/rows", "/nothing"] {
            let client = try await server.connect()
            try await client.request("GET", target)
            let answer = try await client.response()
            #expect(answer.status == 503, "\(answer)")
            #expect(answer.saysClose)
            #expect(try await client.ending() == .closed)
        }
        #expect(try await server.get("/live").status == 200)
        // None of them was sacrificed.
        for client in busy {
            #expect(client.isQuiet)
            client.resetAtEnd()
        }
        busy.removeAll()
        try await eventually("there is room again") { try await server.get("/_drill/rows").status == 200 }
    }

    @Test func `many more connections than the limit leave the probes alone`() async throws {
        let server = try await drillServer(["HTTP_MAX_CONNECTIONS": "8"])
        var wasQuick = false
        for _ in 0..<20 where !wasQuick {
            let start = ContinuousClock.now
            // None of these has sent anything, and there are far too many of them.
            var silent: [RawClient] = []
            for _ in 0..<64 { silent.append(try await server.connect()) }
            for path in ["/live", "/ready", "/health"] { #expect(try await server.get(path).status == 200) }
            let early = try await server.get("/_drill/rows").status
            // Until it is a second old, a connection that has asked nothing makes room for nobody.
            wasQuick = ContinuousClock.now - start < .milliseconds(900)
            if wasQuick { #expect(early == 503) }
            try await Task.sleep(for: .milliseconds(1300))
            for path in ["/live", "/ready", "/health"] { #expect(try await server.get(path).status == 200) }
            #expect(try await server.get("/_drill/rows").status == 200)
            // Gone for the server, too, before the next ones come.
            for client in silent {
                client.finishSending()
                _ = try await client.remainder()
            }
        }
        #expect(wasQuick, "In none of twenty rounds was the test itself quick enough.")
    }

    @Test func `not even a full reserve of silent connections locks the probes out`() async throws {
        let server = try await drillServer(["HTTP_MAX_CONNECTIONS": "8"])
        var silent: [RawClient] = []
        // 8 and the reserve of 128, and more.
        for _ in 0..<140 { silent.append(try await server.connect()) }
        for path in ["/live", "/ready", "/health"] { #expect(try await server.get(path).status == 200) }
        for client in silent { client.close() }
    }

    @Test(arguments: ["shutdown", "idle timeout", "eviction"])
    func `an answer that the client takes its time with is not cut off`(by threat: String) async throws {
        let server = try await drillServer([
            "HTTP_IDLE_TIMEOUT_SECONDS": threat == "idle timeout" ? "3" : "60",
            "HTTP_MAX_CONNECTIONS": threat == "eviction" ? "4" : "100", "SHUTDOWN_GRACE_SECONDS": "20",
        ])
        let late = try await server.connect(receiveBuffer: 4096)
        let body = String(repeating: "x", count: 60_000)
        let count = 60
        // In one go: between two of them, the connection would be idle.
        let requests = String(repeating: RawClient.request("POST", "/_drill/echo", body: body), count: count)
        let sending = Task { try await late.send(requests) }
        try await Task.sleep(for: .milliseconds(700))
        switch threat {
        case "shutdown": try await server.terminate()
        case "eviction": for _ in 0..<4 { #expect(try await server.get("/live").status == 200) }
        default: break
        }
        // Longer than the idle timeout.
        try await Task.sleep(for: .milliseconds(threat == "idle timeout" ? 4500 : 1500))
        // Whatever was parsed is answered to the last byte; a shutdown need not have parsed all.
        var answers = 0
        while answers < count, let answer = try? await late.response(to: "POST") {
            // Parsed only after the grace had begun: refused, and the end.
            if threat == "shutdown", answer.status == 503 { break }
            #expect(answer.status == 200)
            #expect(answer.isComplete)
            #expect(answer.body.count == body.utf8.count)
            answers += 1
            if answer.saysClose { break }
        }
        if threat != "shutdown" { #expect(answers == count) }
        #expect(answers > 0)
        sending.cancel()
        if threat == "shutdown" { #expect(try await server.waitForExit() == .code(0)) }
    }

    @Test func `half a head behind a whole request has the time of a head`() async throws {
        let server = try await readyServer(["HTTP_HEADER_TIMEOUT_SECONDS": "3", "HTTP_IDLE_TIMEOUT_SECONDS": "3600"])
        let client = try await server.connect()
        try await client.send(RawClient.request("GET", "/live") + "GET /live HTT")
        #expect(try await client.response().status == 200)
        #expect(try await client.response().status == 408)
        #expect(try await client.ending() == .closed)
    }

    @Test func `half a head and the end behind a whole request cost that one no answer`() async throws {
        let client = try await drillServer().connect()
        try await client.send(RawClient.request("GET", "/_drill/sleep?ms=200") + "G")
        client.finishSending()
        #expect(try await client.response().status == 200)
        #expect(try await client.ending() == .closed)
    }

    @Test func `a long head behind another request, body or not, is no long request line`() async throws {
        for first in [RawClient.request("GET", "/live"), RawClient.request("POST", "/_drill/echo", body: "body")] {
            let client = try await drillServer().connect()
            let second = RawClient.request(
                "GET", "/live", fields: "X-Long: \(String(repeating: "x", count: 30_000))\r\n")
            try await client.send(first + second)
            #expect(try await client.response(to: first.hasPrefix("POST") ? "POST" : "GET").status == 200)
            #expect(try await client.response().status == 200)
        }
    }

    @Test func `an idle timeout below that of a head counts`() async throws {
        let server = try await readyServer(["HTTP_HEADER_TIMEOUT_SECONDS": "3600", "HTTP_IDLE_TIMEOUT_SECONDS": "0.5"])
        let client = try await server.connect()
        #expect(try await client.get("/live").status == 200)
        #expect(try await client.ending() == .closed)
    }

    @Test func `a client that resets its connection cancels its request`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "3000", "SHUTDOWN_DEADLINE_SECONDS": "3600"])
        try await server.inFlight("/_drill/sleep?ms=3600000").resetAtEnd()
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `the limit stays below the descriptors that the process may have`() async throws {
        // 300 less the 256 that are kept leaves 44, whatever the setting says.
        let server = try startServer(["DRILL_ROUTES": "on"], launcher: ["prlimit", "--nofile=300:300"])
        try await server.waitUntilReady()
        var clients: [RawClient] = []
        for _ in 0..<400 {
            let client = try await server.connect()
            #expect(try await client.get("/live").status == 200)
            clients.append(client)
        }
        #expect(try await clients[0].ending() == .closed)
        #expect(try await server.post("/_drill/transaction?value=x").status == 201)
        for path in ["/live", "/ready", "/health"] { #expect(try await server.get(path).status == 200) }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `the soft limit of descriptors is raised to the hard one`() async throws {
        let server = try startServer(launcher: ["prlimit", "--nofile=64:1024"])
        try await server.waitUntilReady()
        var clients: [RawClient] = []
        for _ in 0..<200 {
            let client = try await server.connect()
            #expect(try await client.get("/live").status == 200)
            clients.append(client)
        }
        for client in clients { #expect(try await client.get("/live").status == 200) }
    }

    // MARK: Early answers

    @Test(arguments: ["/nothing", "/live"])
    func `an early answer is not destroyed by the body that still comes`(target: String) async throws {
        let server = try await drillServer()
        let expected = target == "/live" ? 405 : 404
        for _ in 0..<5 {
            let client = try await server.connect()
            let size = 4 << 20
            try await client.send("POST \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n")
            // As a client does that sends first and reads afterwards; it may find out halfway that nobody wants this.
            for _ in 0..<64 {
                do { try await client.send([UInt8](repeating: 0x78, count: size / 64)) } catch { break }
            }
            #expect(try await client.response(to: "POST").status == expected)
        }
    }

    @Test func `an early answer in the grace survives as well`() async throws {
        let server = try await drillServer(ServerProcess.longGrace)
        let held = try await server.inFlight("/_drill/sleep?ms=1500")
        try await server.whileInGrace {
            let client = try await server.connect()
            try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n")
            for _ in 0..<16 {
                do { try await client.send([UInt8](repeating: 0x78, count: 65536)) } catch { break }
            }
            let answer = try await client.response(to: "POST")
            #expect(answer.status == 503)
            #expect(answer.saysClose)
            #expect(try await held.response().status == 200)
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    /// Sends what nobody reads until the server has had enough; gives the time since before the first of it.
    private func sendInVain(to client: RawClient) async throws -> Duration {
        let began = ContinuousClock.now
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n")
        let answer = try await client.response(to: "POST")
        #expect(answer.status == 503)
        #expect(answer.saysClose)
        while true {
            do { try await client.send("x") } catch { return began.duration(to: .now) }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test func `an early answer after the grace has its second as well`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0", "SHUTDOWN_DEADLINE_SECONDS": "3600"])
        _ = try await server.inFlight("/_drill/sleep?ms=3600000&ignore-cancel=1")
        try await server.terminate()
        try await server.record("Grace is over, cancelling")
        let time = try await self.sendInVain(to: server.connect())
        #expect(time >= .seconds(1))
        server.send(SIGKILL)
        _ = try await server.waitForExit()
    }

    @Test func `the exit waits for an early answer of the clean-up`() async throws {
        var longest = Duration.zero
        // On a busy machine it may come too late, when there is no answer any more, or no second left.
        for _ in 0..<5 where longest < .seconds(1) {
            let server = try await drillServer(["DRILL_CLEAN_UP_SECONDS": "0.5", "SHUTDOWN_GRACE_SECONDS": "5"])
            let client = try await server.connect()
            try await server.terminate()
            try await server.record(Sentence.closed)
            if let time = try? await self.sendInVain(to: client) { longest = max(longest, time) }
            #expect(try await server.waitForExit() == .code(0))
        }
        #expect(longest >= .seconds(1))
    }

    @Test(arguments: ["POST /nothing", "GET /live"])
    func `early answers without end do not hold up the exit`(request: String) async throws {
        let server = try await drillServer(ServerProcess.longGrace)
        let ended = Watched(0)
        let isOver = Watched(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            // At any moment, one of them waits for the rest of a body.
            for turn in 0..<4 {
                group.addTask {
                    try await Task.sleep(for: .milliseconds(turn * 150))
                    while !isOver.read(\.self), let client = try? await server.connect() {
                        let head = "\(request) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx"
                        try? await client.send(head)
                        _ = try? await client.remainder()
                        try? await Task.sleep(for: .milliseconds(500))
                        client.close()
                        ended.update { $0 += 1 }
                    }
                }
            }
            try await eventually("they are at it") { ended.read(\.self) > 6 }
            try await server.terminate()
            let exit = try await server.waitForExit()
            isOver.update { $0 = true }
            #expect(exit == .code(0))
            try await group.waitForAll()
        }
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
    }

    @Test func `a body that never ends does not hold the connection for ever`() async throws {
        let server = try await drillServer()
        let client = try await server.connect()
        try await client.send("POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(try await client.response(to: "POST").status == 404)
        let sending = Task {
            while true {
                do { try await client.send("1\r\nx\r\n") } catch { return }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        // The server discards for a second and then has had enough.
        _ = try await client.remainder()
        client.close()
        try await sending.value
    }
}
