// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The phases: what each of them does to whom.
@Suite(.endToEnd) struct ShutdownTests {
    @Test func `the exit waits until nobody was refused for a moment, since whoever is reset may not come again`()
        async throws
    {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "10"])
        let port = try await server.port
        // Long enough that a busy machine hears of the signal meanwhile.
        let held = try await server.inFlight("/_drill/sleep?ms=3000")
        let answer = Task { try await held.response() }
        server.send(SIGTERM)
        try await server.record("SIGTERM received, starting graceful shutdown...")
        // Until all that is in flight is done, at which the server would go.
        var last = ContinuousClock.now
        var refused = 0
        while !server.messages.contains("Server closed, cleaning up resources...") {
            let moment = ContinuousClock.now
            // On a busy machine the server may have gone before the next one comes.
            guard let answer = try? await RawClient.exchange(port: port, "POST", "/_drill/transaction") else { break }
            #expect(answer.status == 503)
            last = moment
            refused += 1
        }
        #expect(refused > 0)
        #expect(try await answer.value.status == 200)
        #expect(try await server.waitForExit() == .code(0))
        // The least that it waits, from before the last one was refused.
        #expect(ContinuousClock.now - last >= .milliseconds(50))
    }

    @Test(arguments: [(SIGTERM, Sentence.terminate), (SIGINT, Sentence.interrupt)])
    func `an idle server stops gracefully`(signal: Int32, sentence: String) async throws {
        let server = try await readyServer()
        server.send(signal)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [sentence, Sentence.closed, Sentence.complete])
    }

    @Test func `serve writes log records to standard output and nothing else anywhere`() async throws {
        let server = try await drillServer()
        _ = try await server.get("/_drill/throw")
        server.send(SIGTERM)
        _ = try await server.waitForExit()
        #expect(server.process.errorText == "")
        for record in server.records {
            let json = try #require(record.json, "not JSON: \(record)")
            for key in ["@timestamp", "log.level", "message", "ecs.version", "service.name", "event.dataset"] {
                #expect(json.value(at: key)?.string != nil, "\(key) is missing: \(record)")
            }
        }
    }

    @Test func `text logs carry the same sentences`() async throws {
        let server = try startServer(["LOG_FORMAT": "text"])
        try await server.record { $0.line.contains("serving on port ") }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        let text = server.process.outputText
        for sentence in [Sentence.terminate, Sentence.closed, Sentence.complete] { #expect(text.contains(sentence)) }
    }

    @Test func `fifty requests in flight are all answered`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let sleeps = try await server.inFlight(Array(repeating: "/_drill/sleep?ms=12000", count: 25))
        let streams = try await server.inFlight(Array(repeating: "/_drill/stream?ms=12000&chunks=5", count: 25))
        try await server.terminate()

        for client in sleeps {
            let answer = try await client.response()
            #expect(answer.status == 200)
            #expect(answer.isComplete)
            #expect(answer.saysClose)
            #expect(try await client.ending() == .closed)
        }
        for client in streams {
            let answer = try await client.response()
            #expect(answer.status == 200)
            #expect(answer.framing == .chunked)
            #expect(answer.isComplete)
            #expect(try await client.ending() == .closed)
        }
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
    }

    @Test func `clients that keep coming get an answer until the port closes`() async throws {
        let server = try await drillServer(
            ServerProcess.longGrace.merging(["SHUTDOWN_DRAIN_DELAY_SECONDS": "0.4"]) { $1 })
        let port = try await server.port
        let held = try await server.inFlight("/_drill/sleep?ms=2000")
        // Keeps the grace going, so that nothing that is lost at its beginning goes unnoticed.
        var keeper: RawClient? = try await server.inFlight(ServerProcess.anHour)
        keeper?.resetAtEnd()
        // Which statuses each of them has seen so far.
        let met = Watched([Set<Int>](repeating: [], count: 16))
        // Each gives the statuses it saw, up to the moment when nobody listened any more.
        let statuses = try await withThrowingTaskGroup(of: [Int].self) { group in
            for index in 0..<16 {
                group.addTask {
                    var statuses: [Int] = []
                    while true {
                        do {
                            let status = try await RawClient.exchange(port: port, "GET", "/_drill/sleep?ms=5").status
                            statuses.append(status)
                            met.update { _ = $0[index].insert(status) }
                        } catch let error as HarnessError where [.refused, .reset, .closed].contains(error.code) {
                            // It is over, or this request was lost.
                            #expect(await Self.isGone(port), "\(error)")
                            return statuses
                        }
                    }
                }
            }
            try await eventually("everybody has been served") { met.read { $0.allSatisfy { $0.contains(200) } } }
            server.send(SIGTERM)
            try await eventually("everybody has been refused") { met.read { $0.allSatisfy { $0.contains(503) } } }
            keeper = nil
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
        for seen in statuses {
            // Served before and during the drain delay, refused with an answer afterwards, never a gap.
            let served = seen.prefix { $0 == 200 }
            #expect(!served.isEmpty)
            #expect(served.count < seen.count)
            #expect(seen.dropFirst(served.count).allSatisfy { $0 == 503 })
        }
    }

    private static func isGone(_ port: Int) async -> Bool {
        do {
            _ = try await RawClient.exchange(port: port, "GET", "/live")
            return false
        } catch {
            return true
        }
    }

    @Test func `probes tell the truth throughout`() async throws {
        let server = try await drillServer([
            "SHUTDOWN_DRAIN_DELAY_SECONDS": "0.6", "SHUTDOWN_GRACE_SECONDS": "0.6", "SHUTDOWN_DEADLINE_SECONDS": "20",
        ])
        let port = try await server.port
        // Holds the shutdown up in the drain delay, the grace and, since it ignores that, the cancellation.
        let held = try await server.inFlight("/_drill/sleep?ms=8000&ignore-cancel=1")
        try await server.terminate()

        var rounds = 0
        while held.isQuiet {
            let answers: [RawResponse]
            do {
                answers = try await [
                    RawClient.exchange(port: port, "GET", "/live"),
                    RawClient.exchange(port: port, rounds % 2 == 0 ? "GET" : "HEAD", "/ready"),
                    RawClient.exchange(port: port, "GET", "/health"),
                ]
            } catch {
                // Only once the held request was answered may the port be closed.
                if held.isQuiet { throw error }
                break
            }
            #expect(answers.map(\.status) == [200, 503, 503])
            #expect(try answers[0].json["alive"] == .bool(true))
            #expect(try answers[2].json["status"]?.string == "unhealthy")
            if rounds % 2 == 0 {
                #expect(try answers[1].json["ready"] == .bool(false))
                #expect(try answers[1].json.value(at: "checks.server") == .bool(false))
            }
            rounds += 1
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(rounds > 3)
        #expect(try await held.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `the drain delay still serves, and says close`() async throws {
        let server = try await drillServer(ServerProcess.longDrain)
        let keptAlive = try await server.connect()
        #expect(try await keptAlive.get("/_drill/rows").saysClose == false)
        try await server.terminate()

        // A connection from before, and a new one.
        for client in [keptAlive, try await server.connect()] {
            let answer = try await client.get("/_drill/rows")
            #expect(answer.status == 200)
            #expect(answer.saysClose)
            #expect(try await client.ending() == .closed)
        }
        try await server.endDrainDelay()
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `an idle kept-alive connection stays open in the drain delay and is closed when the grace begins`()
        async throws
    {
        let server = try await drillServer([
            "SHUTDOWN_DRAIN_DELAY_SECONDS": "500", "SHUTDOWN_GRACE_SECONDS": "3000",
            "SHUTDOWN_DEADLINE_SECONDS": "3600",
        ])
        let held = try await server.inFlight("/_drill/sleep?ms=3000")
        do {
            let keeper = try await server.inFlight(ServerProcess.anHour)
            let idle = try await server.connect()
            _ = try await idle.get("/live")
            try await server.terminate()
            #expect(idle.isQuiet)

            try await server.endDrainDelay()
            #expect(try await idle.ending() == .closed)
            // The grace has begun, and something else still runs.
            #expect(keeper.isQuiet)
            try await eventually("requests are refused") { try await server.get("/_drill/rows").status == 503 }
            #expect(try await held.response().status == 200)
            keeper.resetAtEnd()
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `idle connections do not hold up the exit`() async throws {
        let server = try await readyServer(["SHUTDOWN_GRACE_SECONDS": "20", "SHUTDOWN_DEADLINE_SECONDS": "30"])
        var idle: [RawClient] = []
        for index in 0..<20 {
            let client = try await server.connect()
            // Kept alive, never used, and with half a head.
            if index % 3 == 0 { _ = try await client.get("/live") }
            if index % 3 == 1 { try await client.send("GET /live HT") }
            idle.append(client)
        }
        try await server.settle()
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        for client in idle { _ = try await client.ending() }
    }

    @Test func `new requests in the grace are told to come back later`() async throws {
        let server = try await drillServer(ServerProcess.longGrace)
        let held = try await server.inFlight("/_drill/sleep?ms=1500")
        try await server.whileInGrace {
            for (method, target) in [
                ("GET", "/_drill/rows"), ("POST", "/_drill/echo"), ("GET", "/nothing"), ("HEAD", "/_drill/rows"),
            ] {
                let client = try await server.connect()
                try await client.request(method, target)
                let answer = try await client.response(to: method)
                #expect(answer.status == 503, "\(answer)")
                #expect(answer["Retry-After"].flatMap(Int.init) != nil, "\(answer)")
                #expect(answer["X-Request-Refused"] == "shutting_down", "\(answer)")
                #expect(answer.saysClose, "\(answer)")
                #expect(try await client.ending() == .closed)
            }
            #expect(try await held.response().status == 200)
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a head that is complete only in the grace is refused with an answer`() async throws {
        let server = try await drillServer(
            ServerProcess.longGrace.merging(["HTTP_HEADER_TIMEOUT_SECONDS": "3600"]) { $1 })
        let held = try await server.inFlight("/_drill/sleep?ms=1500")
        let half = try await server.connect()
        try await half.send("GET /_drill/rows HTTP/1.1\r\nHo")
        let probe = try await server.connect()
        try await probe.send("GET /live HTTP/1.1\r\nHo")
        try await server.whileInGrace {
            for (client, status) in [(half, 503), (probe, 200)] {
                try await client.send("st: localhost\r\n\r\n")
                let answer = try await client.response()
                #expect(answer.status == status)
                #expect(answer.saysClose)
                #expect(try await client.ending() == .closed)
            }
            #expect(try await held.response().status == 200)
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `in the grace nobody is told to continue`() async throws {
        let server = try await drillServer(ServerProcess.longGrace)
        let held = try await server.inFlight("/_drill/sleep?ms=1500")
        try await server.whileInGrace {
            let client = try await server.connect()
            try await client.send(
                "POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            #expect(try await client.response(to: "POST").status == 503)
            #expect(try await held.response().status == 200)
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `pipelined requests that were received are answered, the last with close`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let client = try await server.connect()
        try await client.send(String(repeating: RawClient.request("GET", "/_drill/sleep?ms=3000"), count: 3))
        try await server.settle()
        try await server.terminate()

        let answers = try await [client.response(), client.response(), client.response()]
        #expect(answers.map(\.status) == [200, 200, 200])
        #expect(answers.map(\.saysClose) == [false, false, true])
        #expect(try await client.ending() == .closed)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a request that comes behind one in flight, after the signal, does not destroy its answer`() async throws
    {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let client = try await server.inFlight("/_drill/sleep?ms=8000")
        try await server.terminateIntoGrace()
        try await client.request("POST", "/_drill/echo", body: String(repeating: "late ", count: 1000))

        let answer = try await client.response()
        #expect(answer.status == 200)
        // Either nothing follows, or a refusal: never a second answer by way of a request that was not in flight.
        if answer.saysClose {
            #expect(try await client.ending() == .closed)
        } else {
            let refusal = try await client.response()
            #expect(refusal.status == 503)
            #expect(refusal.saysClose)
        }
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a body on its way when the signal comes is read and answered`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let client = try await server.connect()
        try await client.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234")
        try await server.settle()
        try await server.terminate()
        try await client.send("56789")
        let answer = try await client.response()
        #expect(answer.status == 200)
        #expect(answer.text == "0123456789")
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a client that reads slowly gets the last byte`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let body = String(repeating: "0123456789abcdef", count: 65536)
        let client = try await server.connect(receiveBuffer: 4096)
        let sending = Task { try await client.request("POST", "/_drill/echo", body: body) }
        let head = try await client.head()
        try await server.terminate()
        try await Task.sleep(for: .milliseconds(500))
        let answer = try await client.body(of: head)
        try await sending.value
        #expect(answer.isComplete)
        #expect(answer.text == body)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `transactions in flight commit undisturbed`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        var clients: [RawClient] = []
        for index in 0..<4 {
            let client = try await server.connect()
            // Writers queue, so the last of them begins long after the signal.
            try await client.request("POST", "/_drill/transaction?ms=300&value=held-\(index)")
            clients.append(client)
        }
        try await server.settle()
        try await server.terminate()
        for client in clients { #expect(try await client.response(to: "POST").status == 201) }
        #expect(try await server.waitForExit() == .code(0))

        let again = try await drillServer()
        #expect(try await again.get("/_drill/rows").text == #"{"rows":4}"#)
    }

    @Test func `what outlives the grace is cancelled and answers 503`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.5"])
        let sleep = try await server.inFlight("/_drill/sleep?ms=60000")
        let stream = try await server.inFlight("/_drill/stream?ms=60000&chunks=600")
        try await server.terminate()

        let answer = try await sleep.response()
        #expect(answer.status == 503)
        #expect(answer.saysClose)
        let cut = try await stream.response()
        #expect(cut.status == 200)
        #expect(!cut.isComplete)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        // The log says what held it up.
        #expect(server.records.contains { $0.line.contains("/_drill/sleep") })
    }

    @Test func `a client that does not go on does not hold up the exit beyond the grace`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.5"])
        // One never sends the rest of its body; one never reads its answer; one stream is never read.
        let sender = try await server.connect()
        try await sender.send("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        let reader = try await server.connect(receiveBuffer: 4096)
        let body = String(repeating: "0123456789abcdef", count: 512 * 1024)
        let sending = Task { try await reader.request("POST", "/_drill/echo", body: body) }
        let stream = try await server.connect(receiveBuffer: 4096)
        try await stream.request("GET", "/_drill/stream?chunks=1000000")
        try await sending.value
        try await server.settle()
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(server.sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        for client in [sender, reader, stream] { client.close() }
    }

    @Test func `clients that have left do not hold up the exit`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "3000", "SHUTDOWN_DEADLINE_SECONDS": "3600"])
        for client in try await server.inFlight(Array(repeating: "/_drill/stream?ms=3600000&chunks=400000", count: 5)) {
            client.close()
        }
        server.send(SIGTERM)
        // Not after the hour that the streams would have taken: the next chunk finds nobody.
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `a transaction that outlives the grace is cancelled and not half done`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.5"])
        let client = try await server.connect()
        try await client.request("POST", "/_drill/transaction?ms=60000&value=never")
        try await server.settle()
        try await server.terminate()
        #expect(try await client.response(to: "POST").status == 503)
        #expect(try await server.waitForExit() == .code(0))
        let again = try await drillServer()
        #expect(try await again.get("/_drill/rows").text == #"{"rows":0}"#)
    }

    @Test func `who ignores the cancellation may still finish`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.2"])
        let client = try await server.inFlight("/_drill/sleep?ms=1500&ignore-cancel=1")
        try await server.terminate()
        #expect(try await client.response().status == 200)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `who ignores it beyond the deadline is left behind`() async throws {
        let server = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "0.2", "SHUTDOWN_DEADLINE_SECONDS": "1"])
        let client = try await server.inFlight("/_drill/sleep?ms=60000&ignore-cancel=1")
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(1))
        #expect(server.sentences == [Sentence.terminate, Sentence.forced])
        // The log says what held it up.
        #expect(server.records.contains { $0.line.contains("/_drill/sleep") })
        _ = try await client.remainder()
    }

    @Test func `the drain delay ends early when a prober has seen enough and nobody comes any more`() async throws {
        let server = try await readyServer([
            "SHUTDOWN_DRAIN_DELAY_SECONDS": "3000", "SHUTDOWN_DEADLINE_SECONDS": "3600",
        ])
        try await server.terminate()
        for _ in 0..<3 { #expect(try await server.get("/ready").status == 503) }
        // Not after the 50 minutes that it would otherwise have taken.
        #expect(try await server.waitForExit() == .code(0))
    }
}
