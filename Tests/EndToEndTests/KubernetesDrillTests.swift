// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The real binary with the real manifest in the hands of a simulated kubelet. All seconds are those of the manifest.
@Suite(.endToEnd) struct KubernetesDrillTests {
    // A second there is a quarter of one here: a machine that is busy with others makes everything four times as late.
    @Test(.alone, arguments: [(50.0, true), (70.0, false)])
    func `a port that opens 50 seconds late is waited for, and one that opens later than a minute is not`(
        delay: Double, isWaitedFor: Bool
    ) async throws {
        let cluster = try await SimulatedCluster(.staging)
        try await cluster.withPods(1, ["DRILL_START_DELAY_SECONDS": "\(delay)"]) { pods in
            let pod = pods[0]
            if isWaitedFor {
                let ready = try await pod.wait(for: .ready)
                #expect(ready >= delay)
                #expect(await pod.count(of: .failed(.startup)) >= 9)
                #expect(await pod.restarts == 0)
                #expect(await pod.moment(of: .givenUp(.startup)) == nil)
            } else {
                let givenUp = try await pod.wait(for: .givenUp(.startup))
                #expect((55..<59).contains(givenUp))
                try await eventually("it is started again") { await pod.restarts == 1 }
                // The signal ends it though its start is not done.
                #expect(try await pod.servers[0].waitForExit() == .code(0))
            }
        }
    }

    @Test(.alone, arguments: ["pool", "eventloop"])
    func `a stalled process is stopped within 44 seconds and replaced within 35 more`(thread: String) async throws {
        let cluster = try await SimulatedCluster(.drill)
        try await cluster.withPods(1) { pods in
            let pod = pods[0]
            let port = try #require(await pod.port)
            try await pod.wait(for: .ready)
            // The worst moment: liveness has just been found.
            try await pod.wait(for: .succeeded(.liveness))
            let stalled = await pod.seconds
            let client = try await RawClient.connect(port: port)
            try await client.request("GET", "/_drill/block?thread=\(thread)&ms=3600000")
            let givenUp = try await pod.wait(for: .givenUp(.liveness), after: stalled)
            #expect(givenUp - stalled <= 44)
            // It has two more chances after the first failure, 10 s each, to move again.
            #expect(givenUp - stalled >= 20)
            let replaced = try await pod.wait(for: .started, after: givenUp)
            // Its own deadline of 30 s ends it before kubelet's grace does.
            #expect(replaced - givenUp <= 35)
            try await pod.wait(for: .ready, after: replaced)
            #expect(await pod.restarts == 1)
        }
    }

    @Test func `a database that is away makes every pod unready and restarts none`() async throws {
        let cluster = try await SimulatedCluster(.staging)
        try await cluster.withPods(2) { pods in
            for pod in pods { try await pod.wait(for: .ready) }
            try await pods[0].wait(for: .succeeded(.liveness))
            try await cluster.database.stop()
            for pod in pods { try await pod.wait(for: .unready) }
            // Long enough for liveness to give up twice.
            let start = await pods[0].seconds
            try await pods[0].wait(60, since: start)
            for pod in pods { #expect(await !pod.isReady) }
            try await cluster.database.start()
            for pod in pods {
                try await eventually("it is ready again") { await pod.isReady }
                #expect(await pod.restarts == 0)
                #expect(await pod.moment(of: .givenUp(.liveness)) == nil)
                #expect(await pod.count(of: .succeeded(.liveness)) >= 5)
                await pod.delete()
                try await eventually("it is gone") { await pod.isGone }
                #expect(try await pod.servers[0].waitForExit() == .code(0))
                #expect(await pod.moment(of: .killed) == nil)
            }
        }
    }

    @Test func `a trap restarts exactly one`() async throws {
        let cluster = try await SimulatedCluster(.drill)
        let replicas = try await Manifest(.base)[Manifest.deployment, "spec/replicas"]?.number
        try await cluster.withPods(try #require(replicas)) { pods in
            for pod in pods { try await pod.wait(for: .ready) }
            let port = try #require(await pods[0].port)
            #expect(try await RawClient.exchange(port: port, "GET", "/_drill/trap?kind=nil").status == 500)
            let exited = try await pods[0].wait(for: .exited)
            #expect(try await pods[0].servers[0].waitForExit() == .code(70))
            try await pods[0].wait(for: .ready, after: exited)
            // Liveness would have given up on any of them by then.
            try await pods[0].wait(60, since: exited)
            var restarts: [Int] = []
            for pod in pods { restarts.append(await pod.restarts) }
            #expect(restarts == [1] + Array(repeating: 0, count: pods.count - 1))
            for pod in pods { #expect(await pod.isReady) }
        }
    }
}
