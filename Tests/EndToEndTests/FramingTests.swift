// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Where one HTTP/1 request ends and the next begins: the same answer as RFC 9112 and as the proxies in front of us, or
/// none. `MED_FRAMING_TABLE=1` in the environment of the test run prints what everybody makes of every case.
@Suite(.endToEnd) struct FramingTests {
    @Test func `every way to write a request is taken or refused as the RFC asks`() async throws {
        // Some wait for a body that never ends.
        let server = try await drillServer(["HTTP_BODY_TIMEOUT_SECONDS": "2"])
        let answers = try await self.answers(on: await server.port)
        for (framing, answer) in zip(FramingCase.all, answers) {
            #expect(answer.isOver, "The connection stays open: \(framing)")
            #expect(framing.allows(answer.statuses), "\(answer.statuses): \(framing)")
            if let echo = framing.echo, answer.statuses.first == 200 { #expect(answer.body == echo, "\(framing)") }
        }
        #expect(try await server.get("/live").status == 200)
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
    }

    @Test func `what nginx or HAProxy refuses is refused here too`() async throws {
        let server = try await drillServer(["HTTP_BODY_TIMEOUT_SECONDS": "2"])
        let ours = try await self.answers(on: await server.port)
        let origin = try RecordingOrigin()
        defer { origin.stop() }
        var theirs: [[Answer]] = []
        for kind in ReverseProxy.Kind.allCases {
            let proxy = try await startProxy(kind, backends: [origin.port], clientTimeout: 1)
            var answers = try await self.answers(on: proxy.port)
            for (index, framing) in FramingCase.all.enumerated() where ours[index].statuses.first == 200 {
                // On a busy machine it may have lost its patience before it saw the request: nginx says 408 or nothing then.
                for _ in 0..<10 where (answers[index].statuses.first ?? 408) == 408 {
                    answers[index] = try await Self.answer(to: framing, port: proxy.port)
                }
            }
            theirs.append(answers)
        }
        for (index, framing) in FramingCase.all.enumerated() {
            let proxies = theirs.map { $0[index] }
            if ours[index].statuses.first == 200, framing.leniency == nil {
                #expect(proxies.allSatisfy { $0.statuses.first == 200 }, "\(proxies.map(\.statuses)): \(framing)")
            }
            if ProcessInfo.processInfo.environment["MED_FRAMING_TABLE"] != nil {
                let row = [ours[index].statuses.description] + proxies.map { "\($0.statuses) \($0.origin)" }
                print("| \(framing) | \(row.joined(separator: " | ")) |")
            }
        }
    }

    @Test(arguments: ReverseProxy.Kind.allCases)
    func `behind a proxy, what is answered is exactly what it sent`(kind: ReverseProxy.Kind) async throws {
        let server = try await drillServer()
        let relay = try RecordingRelay(to: await server.port)
        let proxy = try await startProxy(kind, backends: [relay.port], clientTimeout: 1)
        // A client that goes away takes with it what the proxy would have logged.
        #expect(try await self.answers(on: proxy.port).allSatisfy(\.isOver))

        let connections = try await relay.stop()
        var answeredWell = 0
        var requests = 0
        for connection in connections {
            let sent = MessageScanner(connection.sent)
            let received = MessageScanner(connection.received)
            let bytes = String(decoding: connection.sent, as: UTF8.self).debugDescription
            #expect(received.rest == .nothing, "\(received)")
            requests += sent.messages.count
            answeredWell += received.messages.count { $0.status == 200 }
            // What is not a whole request, or is one in two ways, may be refused, as the last thing that happens.
            let answers = received.messages.prefix(sent.messages.count)
            #expect(answers.count == sent.messages.count, "\(bytes)")
            for refusal in received.messages.dropFirst(sent.messages.count) {
                #expect(
                    sent.rest != .nothing && refusal.status.map { (400..<500).contains($0) } == true,
                    "\(refusal) to \(bytes)")
            }
            #expect(received.messages.count <= sent.messages.count + 1, "\(bytes)")
            for (request, answer) in zip(sent.messages, answers)
            where request.startLine.hasPrefix("POST ") && answer.status == 200 {
                #expect(answer.body == request.body, "\(bytes)")
            }
        }
        // It kept its connections, or else there was nothing to confuse.
        #expect(connections.count < requests / 2)
        try? await eventually("the proxy has logged everything") { proxy.forwarded(status: 200) >= answeredWell }
        #expect(proxy.forwarded(status: 200) == answeredWell, "\(proxy.log)")
    }

    @Test func `the referee takes only what can be read in one way`() {
        let good = RawClient.request("GET", "/") + RawClient.request("POST", "/", body: "hello")
        #expect(MessageScanner(Array(good.utf8)).messages.map(\.startLine) == ["GET / HTTP/1.1", "POST / HTTP/1.1"])
        #expect(MessageScanner(Array(good.utf8)).rest == .nothing)
        #expect(MessageScanner(Array(good.utf8.dropLast())).rest == .incomplete)
        #expect(MessageScanner(Array(good.utf8)).messages.last?.body == Array("hello".utf8))
        let chunked = MessageScanner(Array(FramingCase.chunks("2\r\nhe\r\n3;a\r\nllo\r\n0\r\nX: y\r\n\r\n").utf8))
        #expect(chunked.messages.map(\.body) == [Array("hello".utf8)])
        for unclear in [
            FramingCase.coded("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            FramingCase.post("Content-Length: +5\r\n"),
            FramingCase.get("X : y\r\n"), FramingCase.get("X: y\n"), FramingCase.chunks("5 \r\nhello\r\n0\r\n\r\n"),
        ] {
            let scanned = MessageScanner(Array(unclear.utf8))
            #expect(scanned.rest == .unclear && scanned.messages.isEmpty, "\(unclear)")
        }
    }

    /// What came over one connection.
    private struct Answer {
        var statuses: [Int]
        var body: String
        /// What the first request looked like to the server behind the proxy.
        var origin: String
        /// Whether the peer ended the connection.
        var isOver: Bool
    }

    /// Sends every case over a connection of its own, a few at a time.
    private func answers(on port: Int) async throws -> [Answer] {
        let cases = FramingCase.all
        return try await withThrowingTaskGroup(of: [(Int, Answer)].self) { group in
            let lanes = 16
            for lane in 0..<lanes {
                group.addTask {
                    var answers: [(Int, Answer)] = []
                    for index in stride(from: lane, to: cases.count, by: lanes) {
                        answers.append((index, try await Self.answer(to: cases[index], port: port)))
                    }
                    return answers
                }
            }
            let all = try await group.reduce(into: []) { $0 += $1 }
            return all.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func answer(to framing: FramingCase, port: Int) async throws -> Answer {
        let client = try await RawClient.connect(port: port)
        try await client.send(framing.bytes)
        // Whoever waits for more has made something else of it than we have.
        let impatience = Task {
            try await Task.sleep(for: .seconds(30))
            client.close()
            return true
        }
        let (bytes, _) = try await client.remainder()
        impatience.cancel()
        let wasClosedHere = (try? await impatience.value) ?? false
        let scanned = MessageScanner(bytes)
        return Answer(
            statuses: scanned.messages.compactMap(\.status),
            body: scanned.messages.first.map { String(decoding: $0.body, as: UTF8.self) } ?? "",
            origin: scanned.messages.first?.fields["x-origin"] ?? "",
            isOver: !wasClosedHere
        )
    }
}
