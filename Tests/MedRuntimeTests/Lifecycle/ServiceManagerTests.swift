// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

@testable import MedRuntime

@Suite struct ServiceManagerTests {
    private static let turn = Duration.milliseconds(250)

    @Test(arguments: [
        nil, "", "@", "notify", "vsock:2:1234", "/" + String(repeating: "a", count: 107),
        "@\(String(repeating: "a", count: 108))",
    ])
    func `without a socket that can be spoken to there is no manager`(name: String?) {
        var environment = ["WATCHDOG_USEC": "1000000"]
        environment["NOTIFY_SOCKET"] = name
        #expect(ServiceManager(environment: environment) == nil)
    }

    @Test(arguments: [true, false])
    func `it is told that the port is open, at a path and at an abstract name`(isPath: Bool) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let socket = try NotifySocket(in: isPath ? folder : nil)
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": socket.name]))
        manager.ready()
        let told = try await socket.next()
        #expect(told.first == "READY=1")
        #expect(told.last?.hasPrefix("STATUS=") == true)
    }

    @Test func `it is told of the shutdown when it begins, and of every phase`() async throws {
        let socket = try NotifySocket()
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": socket.name]))
        let fixture = LifecycleTests.Fixture()
        manager.follow(fixture.lifecycle, StallWatch(limit: .seconds(10), logger: fixture.log.logger))
        fixture.lifecycle.started()
        #expect(try await socket.next() == ["STATUS=Serving."])
        try await fixture.lifecycle.withWork("held") {
            fixture.lifecycle.stop(.sigterm)
            let (draining, finishing) = (try await socket.next(), try await socket.next())
            #expect(draining.first == "STOPPING=1")
            #expect(finishing.first?.hasPrefix("STATUS=Finishing") == true)
            #expect(fixture.lifecycle.work.count == 1)
        }
        #expect(try await socket.next() == ["STATUS=Cleaning up."])
        #expect(await fixture.exitCode() == 0)
        #expect(socket.takeAll() == [])
    }

    @Test func `its watchdog is fed at half of its time, and not while something is stalled`() async throws {
        let socket = try NotifySocket()
        let manager = try #require(
            ServiceManager(environment: [
                "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "\(getpid())",
            ]))
        func heartbeats(inTurns count: Int, isStalled: Bool = false) -> [Int] {
            (1...count).filter { _ in
                manager.turn(after: Self.turn, isStalled: isStalled)
                let told = socket.takeAll()
                #expect(told.isEmpty || told == [["WATCHDOG=1"]])
                return !told.isEmpty
            }
        }
        // Every eighth quarter of a second, which is every two seconds.
        #expect(heartbeats(inTurns: 24) == [8, 16, 24])
        #expect(heartbeats(inTurns: 40, isStalled: true) == [])
        #expect(heartbeats(inTurns: 9) == [1, 9])
    }

    @Test func `the watch tells it of every turn, and of stalls`() async throws {
        let socket = try NotifySocket()
        let manager = try #require(
            ServiceManager(environment: ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "1000000"]))
        let log = RecordedLog()
        let watch = StallWatch(limit: .seconds(10), logger: log.logger)
        let lifecycle = Lifecycle(configuration: ShutdownConfiguration(), logger: log.logger, exit: { _ in })
        manager.follow(lifecycle, watch)
        for _ in 0..<8 { watch.turn(after: Self.turn) }
        #expect(socket.takeAll() == Array(repeating: ["WATCHDOG=1"], count: 4))
        // A thing that never answers.
        watch.watch("loop") { _ in }
        for _ in 0..<42 { watch.turn(after: Self.turn) }
        #expect(watch.isStalled)
        _ = socket.takeAll()
        for _ in 0..<40 { watch.turn(after: Self.turn) }
        #expect(socket.takeAll() == [])
        lifecycle.stop(.sigterm)
    }

    @Test(arguments: [
        ["WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"], ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "soon"], [:],
    ])
    func `a watchdog that is not for this process is not fed`(environment: [String: String]) throws {
        let socket = try NotifySocket()
        let manager = try #require(
            ServiceManager(environment: environment.merging(["NOTIFY_SOCKET": socket.name]) { $1 }, processID: 2))
        for _ in 0..<100 { manager.turn(after: Self.turn, isStalled: false) }
        #expect(socket.takeAll() == [])
    }

    @Test func `a manager that does not read holds nobody up, and misses nothing but heartbeats`() throws {
        let socket = try NotifySocket()
        let manager = try #require(
            ServiceManager(environment: ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "250000"]))
        // More than the queue of any Unix socket holds.
        let count = 2000
        for _ in 0..<count { manager.ready() }
        manager.turn(after: Self.turn, isStalled: false)
        var told = socket.takeAll()
        #expect(!told.isEmpty)
        #expect(told.count < count)
        while told.count < count {
            manager.turn(after: .zero, isStalled: true)
            let more = socket.takeAll()
            try #require(!more.isEmpty)
            told += more
        }
        #expect(told.count == count)
        #expect(told.allSatisfy { $0.first == "READY=1" })
        manager.turn(after: Self.turn, isStalled: false)
        #expect(socket.takeAll() == [["WATCHDOG=1"]])
    }
}
