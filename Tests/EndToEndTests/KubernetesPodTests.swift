// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The Deployment's pod as a container really has it: user, rights, limits, files, signals.
@Suite(.endToEnd, .enabled(if: PlayedPod.obstacle == nil, Comment(rawValue: PlayedPod.obstacle ?? "")))
struct KubernetesPodTests {
    @Test func `played by podman, the pod has what the manifest says, and stops as it should`() async throws {
        // The state folder is the only place where it may write, so that is where this test has its database.
        let secrets = ["database-url": "sqlite:/state/test.sqlite", "phi-encryption-key": SimulatedCluster.key]
        let template = try await Manifest(.production).pod(Manifest.deployment)
        try await PlayedPod.with(secrets: secrets) { pod in
            let process = try await pod.inspect(".State.Pid")
            let (port, management) = (try #require(template.ports["http"]), try #require(template.ports["management"]))
            try await eventually("it listens") {
                try await pod.records.contains { $0.message == "serving on port \(port)" }
            }
            try await self.expectRights(pod, process, template.node["securityContext/runAsUser"]?.text)
            try await self.expectEnvironment(pod, process, template.environment(name: PlayedPod.name, secrets: secrets))
            try await self.expectFiles(pod, process)

            #expect(try await pod.get(port: port, "/live").status == 200)
            #expect(try await pod.get(port: port, "/ready").status == 503)
            #expect(try await pod.execute("migrate").contains("applied"))
            try await eventually("it is ready") { try await pod.get(port: port, "/ready").status == 200 }
            #expect(try await pod.execute("probe", "health").contains(#""environment":"production""#))
            // The limit of the manifest is what memory is measured by.
            let limit = try #require(template.node["containers/0/resources/limits/memory"]?.quantity)
            let health = try await pod.get(port: management, "/health")
            #expect(health.body.contains(#""total":\#(Int(limit / 1_048_576)),"#), "\(health.body)")

            try await pod.podman(["pod", "stop", "--time", "35", PlayedPod.name])
            #expect(try await pod.inspect(".State.ExitCode") == "0")
            let sentences = try await pod.records.map(\.message).filter(Sentence.all.contains)
            #expect(sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        }
    }

    private func expectRights(_ pod: PlayedPod, _ process: String, _ user: String?) async throws {
        let user = try #require(user)
        let status = try await pod.within(["cat", "/proc/\(process)/status"])
        for line in [
            "Uid:\t\(user)\t\(user)\t\(user)\t\(user)", "Gid:\t\(user)\t\(user)\t\(user)\t\(user)",
            "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
            "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
        ] {
            #expect(status.contains(line + "\n"), "\(line): \(status)")
        }
        #expect(status.contains(/NSpid:.*\t1\n/), "It is process 1: \(status)")
        let limits = try await pod.within(["cat", "/proc/\(process)/limits"])
        #expect(limits.contains(#/Max open files +1024 +1024 /#), "\(limits)")
        #expect(limits.contains(#/Max processes +1000 +1000 /#), "\(limits)")
    }

    private func expectEnvironment(_ pod: PlayedPod, _ process: String, _ expected: [String: String]) async throws {
        let variables = try await pod.within(["cat", "/proc/\(process)/environ"]).split(separator: "\0").map(
            String.init)
        for (name, value) in expected where name != "OTEL_RESOURCE_ATTRIBUTES" {
            #expect(variables.contains("\(name)=\(value)"), "\(name)")
        }
        // This podman leaves what is put together as it is written; a kubelet does not.
        #expect(variables.contains { $0.hasPrefix("OTEL_RESOURCE_ATTRIBUTES=service.instance.id=") })
    }

    private func expectFiles(_ pod: PlayedPod, _ process: String) async throws {
        let root = "/proc/\(process)/root"
        let mounts = try await pod.within(["cat", "/proc/\(process)/mountinfo"])
        #expect(mounts.contains(#/ / ro,/#), "The root file system is read-only: \(mounts)")
        #expect(mounts.contains(#/ /state rw,/#), "\(mounts)")
        #expect(mounts.contains(#/ /etc/medbuilder/database-ca ro,/#), "\(mounts)")
        try await pod.within(["test", "-s", "\(root)/etc/medbuilder/database-ca/ca.crt"])
        let owners = try await pod.within(["stat", "--format", "%u %a", "\(root)/state/log-spill"])
        #expect(owners == "65532 600\n")
    }
}
