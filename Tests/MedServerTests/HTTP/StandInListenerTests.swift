// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Synchronization
import Testing

@testable import MedServer

@Suite struct StandInListenerTests {
    /// A listening socket of this machine, as the server has one.
    private final class ListeningSocket: Sendable {
        let descriptor: Int32
        let port: Int

        init() throws {
            let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            let descriptor = socket(AF_INET, flags, 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let length = size
            let isListening = withUnsafeMutablePointer(to: &address) { pointer in
                // The socket calls take every kind of address as a `sockaddr`, told apart by their family.
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length) == 0 && listen(descriptor, 512) == 0
                        && getsockname(descriptor, $0, &size) == 0
                }
            }
            try #require(isListening)
            self.descriptor = descriptor
            self.port = Int(address.sin_port.bigEndian)
        }

        deinit { close(self.descriptor) }

        /// Whether a connection waits to be accepted.
        var hasWaiting: Bool {
            var polled = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&polled, 1, 0) == 1
        }

        /// Accepts, as the server would, and ends what came at once. False if there was none.
        func takeOne() -> Bool {
            let descriptor = accept(self.descriptor, nil, nil)
            guard descriptor >= 0 else { return false }
            close(descriptor)
            return true
        }
    }

    /// Runs a stand-in that answers `/live` and nothing else, and ends it.
    private func withStandIn(
        patience: Duration = .seconds(600),
        _ body: (_ standIn: StandInListener, _ socket: ListeningSocket) async throws -> Void
    ) async throws {
        let socket = try ListeningSocket()
        let standIn = try StandInListener(listening: socket.descriptor, patience: patience) { method, target in
            guard target == "/live" else { return (404, [("Date", "now")], Array("{}".utf8)) }
            return (503, [("Date", "now"), ("Content-Type", "application/json")], Array(#"{"by":"\#(method)"}"#.utf8))
        }
        defer { standIn.close() }
        try await body(standIn, socket)
    }

    @Test func `it answers, once it is activated, what has waited until then`() async throws {
        try await self.withStandIn { standIn, socket in
            let early = try await RawClient.connect(port: socket.port)
            try await early.request("GET", "/live")
            #expect(socket.hasWaiting)
            standIn.activate()
            standIn.activate()
            let answer = try await early.response()
            #expect(answer.statusLine == "HTTP/1.1 503 Service Unavailable")
            #expect(answer.text == #"{"by":"GET"}"#)
            #expect(answer["Content-Type"] == "application/json")
            #expect(answer["Date"] == "now")
            #expect(answer["Content-Length"] == "12")
            #expect(answer.saysClose)
            #expect(try await early.ending() == .closed)
            #expect(try await RawClient.exchange(port: socket.port, "GET", "/patients").status == 404)
        }
    }

    @Test func `HEAD gets the length of the body and no body`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let client = try await RawClient.connect(port: socket.port)
            try await client.request("HEAD", "/live")
            let answer = try await client.response(to: "HEAD")
            #expect(answer.status == 503)
            #expect(answer["Content-Length"] == "13")
            #expect(try await client.ending() == .closed)
        }
    }

    @Test func `a hundred clients at once all get their answer`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let statuses = try await withThrowingTaskGroup { group in
                for _ in 0..<100 {
                    group.addTask { try await RawClient.exchange(port: socket.port, "GET", "/live").status }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 503, count: 100))
        }
    }

    @Test func `a client that is slow or silent delays no other`() async throws {
        // With the patience of ten minutes, whoever is served one after the other gets nothing.
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let silent = try await RawClient.connect(port: socket.port)
            let slow = try await RawClient.connect(port: socket.port)
            try await slow.send("GET /li")
            for _ in 0..<20 { #expect(try await RawClient.exchange(port: socket.port, "GET", "/live").status == 503) }
            #expect(silent.isQuiet)
            try await slow.send("ve HTTP/1.1\r\nHost: x\r\n\r")
            #expect(slow.isQuiet)
            try await slow.send("\n")
            #expect(try await slow.response().status == 503)
        }
    }

    @Test func `a client that says nothing is let go, one that stops halfway is told`() async throws {
        try await self.withStandIn(patience: .milliseconds(200)) { standIn, socket in
            let silent = try await RawClient.connect(port: socket.port)
            let halfway = try await RawClient.connect(port: socket.port)
            try await halfway.send("GET /live HTTP/1.1\r\n")
            standIn.activate()
            #expect(try await silent.ending() == .closed)
            #expect(try await halfway.response().status == 408)
            // It does not close its end either.
            #expect(try await halfway.ending() == .closed)
        }
    }

    @Test(arguments: [
        "hello\r\n\r\n", "GET /live\r\n", "GET  /live HTTP/1.1\r\n", "GET /l ve HTTP/1.1\r\n", "GET /live HTTP/2.0\r\n",
        "G(T /live HTTP/1.1\r\n", "GET /l\u{E4}ve HTTP/1.1\r\n", " GET /live HTTP/1.1\r\n", "\u{16}\u{03}\u{01}\u{02}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ])
    func `what is no HTTP gets 400`(_ bytes: String) async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let client = try await RawClient.connect(port: socket.port)
            try await client.send(bytes)
            let answer = try await client.response()
            #expect(answer.status == 400)
            #expect(answer["Date"]?.hasSuffix("GMT") == true)
            #expect(answer.saysClose)
            #expect(try await client.ending() == .closed)
        }
    }

    @Test func `a request that ends in its middle gets 400`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let client = try await RawClient.connect(port: socket.port)
            try await client.send("GET /live HT")
            client.finishSending()
            #expect(try await client.response().status == 400)
        }
    }

    @Test(arguments: [
        "\r\n\r\nGET /live HTTP/1.1\r\n\r\n", "GET /live HTTP/1.0\n\n", "GET /live HTTP/1.1\nHost: x\r\n\n",
        "GET /live HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ])
    func `unusual requests are understood, byte by byte as well`(_ bytes: String) async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let client = try await RawClient.connect(port: socket.port)
            for byte in bytes.utf8 { try await client.send([byte]) }
            #expect(try await client.response().status == 503)
        }
    }

    @Test func `a head of 16 KiB is read, a larger one gets 431`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let line = "GET /live HTTP/1.1\r\n"
            for (size, status) in [(16 * 1024, 503), (16 * 1024 + 1, 431), (1024 * 1024, 431)] {
                let field = "X: " + String(repeating: "x", count: size - line.utf8.count - 7)
                let client = try await RawClient.connect(port: socket.port)
                try await client.send("\(line)\(field)\r\n\r\n")
                #expect(try await client.response().status == status)
                #expect(try await client.ending() == .closed)
            }
        }
    }

    @Test func `a body that nobody reads does not destroy the answer`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let client = try await RawClient.connect(port: socket.port)
            try await client.request("POST", "/live", body: String(repeating: "x", count: 4 * 1024 * 1024))
            let answer = try await client.response()
            #expect(answer.text == #"{"by":"POST"}"#)
            #expect(answer.isComplete)
            // Nothing more comes, but the connection stays until the client ends it.
            client.finishSending()
            #expect(try await client.ending() == .closed)
        }
    }

    @Test func `a large answer reaches a client that reads slowly`() async throws {
        let socket = try ListeningSocket()
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: 8 * 1024 * 1024)
        let standIn = try StandInListener(listening: socket.descriptor, patience: .seconds(60)) { _, _ in
            (200, [], body)
        }
        defer { standIn.close() }
        standIn.activate()
        let client = try await RawClient.connect(port: socket.port, receiveBuffer: 4096)
        try await client.request("GET", "/")
        try await Task.sleep(for: .milliseconds(50))
        let answer = try await client.response()
        #expect(answer.isComplete)
        #expect(answer.body.count == body.count)
    }

    @Test func `clients that reset the connection do no harm`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            for part in ["", "GET /live", "GET /live HTTP/1.1\r\n\r\n"] {
                for _ in 0..<20 {
                    let client = try await RawClient.connect(port: socket.port)
                    try await client.send(part)
                    client.resetAtEnd()
                }
            }
            #expect(try await RawClient.exchange(port: socket.port, "GET", "/live").status == 503)
        }
    }

    @Test func `sixty-four connections are served at a time, the others wait for whoever accepts them`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            var silent: [RawClient] = []
            for _ in 0..<StandInListener.maxConnections {
                silent.append(try await RawClient.connect(port: socket.port))
                while socket.hasWaiting { try await Task.sleep(for: .milliseconds(1)) }
            }
            var others: [RawClient] = []
            for _ in 0..<10 { others.append(try await RawClient.connect(port: socket.port)) }
            for _ in others { #expect(socket.takeOne()) }
            // Room for one more.
            let waiting = try await RawClient.connect(port: socket.port)
            try await waiting.request("GET", "/live")
            silent.removeLast().close()
            #expect(try await waiting.response().status == 503)
        }
    }

    @Test func `deactivated, it finishes what it has and leaves new connections to others`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let client = try await RawClient.connect(port: socket.port)
            try await client.send("GET /live HT")
            while socket.hasWaiting { try await Task.sleep(for: .milliseconds(1)) }
            standIn.deactivate()
            standIn.deactivate()
            for _ in 0..<20 {
                let other = try await RawClient.connect(port: socket.port)
                #expect(socket.takeOne())
                #expect(try await other.ending() == .closed)
            }
            try await client.send("TP/1.1\r\n\r\n")
            #expect(try await client.response().status == 503)
            standIn.activate()
            #expect(try await RawClient.exchange(port: socket.port, "GET", "/live").status == 503)
        }
    }

    @Test func `beside another acceptor, each connection is somebody's`() async throws {
        try await self.withStandIn { standIn, socket in
            standIn.activate()
            let isOver = Atomic(false)
            async let taken = onThread {
                var count = 0
                while !isOver.load(ordering: .relaxed) { if socket.takeOne() { count += 1 } }
                return count
            }
            var answered = 0
            for _ in 0..<200 {
                let client = try await RawClient.connect(port: socket.port)
                try? await client.request("GET", "/live")
                if let answer = try? await client.response(), answer.status == 503 { answered += 1 }
            }
            isOver.store(true, ordering: .relaxed)
            #expect(try await answered + taken == 200)
        }
    }

    @Test func `closed, it holds the port no longer, and its thread ends`() async throws {
        weak var ended: StandInListener?
        let port: Int
        do {
            let socket = try ListeningSocket()
            port = socket.port
            let standIn = try StandInListener(listening: socket.descriptor, patience: .seconds(60)) { _, _ in
                (200, [], [])
            }
            ended = standIn
            standIn.activate()
            #expect(try await RawClient.exchange(port: port, "GET", "/live").status == 200)
            standIn.close()
            standIn.activate()
        }
        while ended != nil { try await Task.sleep(for: .milliseconds(1)) }
        await #expect(throws: HarnessError.self) { try await RawClient.connect(port: port) }
    }

    @Test func `it answers on a thread that has its name`() async throws {
        let socket = try ListeningSocket()
        let standIn = try StandInListener(listening: socket.descriptor, patience: .seconds(60)) { _, _ in
            let name = try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
            return (200, [], Array((name ?? "").utf8))
        }
        defer { standIn.close() }
        standIn.activate()
        #expect(try await RawClient.exchange(port: socket.port, "GET", "/").text == "med-stand-in\n")
    }

    @Test func `without a listening socket there is a sentence, not a stand-in`() throws {
        let failure = #expect(throws: StandInListener.Failure.self) {
            try StandInListener(listening: -1) { _, _ in (200, [], []) }
        }
        #expect(failure?.code == .noDescriptor)
        #expect(failure?.description.hasPrefix("The listening socket cannot be duplicated (") == true)
    }
}
