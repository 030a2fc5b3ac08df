// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The pod of the Deployment, run by podman, in a network of its own: the ports are those of the manifest.
///
/// podman 4.3 is no kubelet. It knows no probe by HTTP and no preStop, and one replica; it leaves volumes out whose secret is optional, does
/// not decode what is in them, does not put variables together, and maps no ports without a bridge. An overlay on top of `production`
/// takes away what it stumbles over.
struct PlayedPod: Sendable {
    /// Why no pod can be played here; `nil` when that is possible.
    static let obstacle: String? = {
        if let obstacle = Container.obstacle { return obstacle }
        // It is the process that keeps a pod's namespaces.
        return access("/usr/bin/catatonit", X_OK) == 0 ? nil : "There is no catatonit."
    }()

    private static let container = "medbuilder-pod-0-medbuilder"
    /// The name that podman gives to the pod of a Deployment.
    static let name = "medbuilder-pod-0"

    private let outer: ChildProcess
    private let podman: [String]
    private let groups: Set<String>

    /// Plays it with these secrets, and lets `body` look; whatever happens, nothing of it is left.
    static func with(
        secrets: [String: String], _ body: (PlayedPod) async throws -> Void
    ) async throws {
        let folder = try makeFolder("pod")
        let files = try await Container(in: folder)
        let root = files.folder.deletingLastPathComponent()
        try await Self.write(folder, secrets: secrets)
        let podman = [
            "env", "CONTAINERS_CONF=\(folder.path)/pod.conf", "podman", "--runtime", "runc", "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--root", "/run/storage", "--runroot", "/run/state", "--tmpdir", "/run/tmp",
        ]
        let script = """
            mount -t tmpfs tmpfs /run
            ip link set lo up
            cd '\(folder.path)'
            tar -C '\(root.path)' -cf root.tar .
            "$@" import -q --change 'ENTRYPOINT ["\(BinaryUnderTest.path)"]' root.tar localhost/medbuilder:0.1.0
            rm root.tar
            "$@" secret create medbuilder-secrets secrets.json
            "$@" secret create medbuilder-database-ca ca.yaml
            "$@" play kube --network host --log-driver k8s-file deployment.yaml
            echo played
            exec sleep 3600
            """
        let before = Self.controlGroups
        let outer = try ChildProcess(
            "unshare",
            ["--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "sh", "-ec", script, "sh"] + podman,
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            folder: URL(filePath: "/")
        )
        try #require(EndToEnd.current).add(outer)
        let pod: PlayedPod
        do {
            try await eventually("podman plays the pod") {
                if outer.hasEnded { throw HarnessError(.exited, "podman: \(outer.errorText)") }
                return outer.outputText.contains("played\n")
            }
            pod = PlayedPod(outer: outer, podman: podman, groups: Self.controlGroups.subtracting(before))
            try await body(pod)
        } catch {
            try await outer.end()
            try await Self.remove(Self.controlGroups.subtracting(before))
            throw error
        }
        try await outer.end()
        try await Self.remove(pod.groups)
    }

    /// The Deployment as podman can take it, the secrets in the forms that it reads, and its settings.
    private static func write(_ folder: URL, secrets: [String: String]) async throws {
        // kustomize takes no absolute path.
        let up = folder.pathComponents.dropFirst().map { _ in ".." }.joined(separator: "/")
        let overlay = """
            apiVersion: kustomize.config.k8s.io/v1beta1
            kind: Kustomization
            resources: [\(up)\(Project.root.path)/deploy/kubernetes/overlays/production]
            images: [{ name: medbuilder, newName: localhost/medbuilder }]
            patches:
              - target: { kind: Deployment }
                patch: |-
                  - { op: add, path: /spec/replicas, value: 1 }
                  - { op: add, path: /spec/template/spec/hostNetwork, value: true }
                  - { op: remove, path: /spec/template/spec/containers/0/ports }
                  - { op: remove, path: /spec/template/spec/containers/0/startupProbe }
                  - { op: remove, path: /spec/template/spec/containers/0/livenessProbe }
                  - { op: remove, path: /spec/template/spec/containers/0/readinessProbe }
                  - { op: remove, path: /spec/template/spec/containers/0/lifecycle }
                  - { op: replace, path: /spec/template/spec/volumes/1/secret/optional, value: false }

            """
        try Data(overlay.utf8).write(to: folder.appending(path: "kustomization.yaml"))
        let kubectl = Project.file(".build-python/bin/kubectl").path
        let objects = try await runTool(kubectl, ["kustomize", folder.path]).split(separator: "\n---\n")
        let deployment = try #require(objects.first { $0.contains("\nkind: Deployment\n") })
        try Data(deployment.utf8).write(to: folder.appending(path: "deployment.yaml"))
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        // For variables it wants the data alone, as JSON; for volumes an object.
        let data = try JSONEncoder().encode(secrets.mapValues(base64))
        try data.write(to: folder.appending(path: "secrets.json"))
        let authority = """
            apiVersion: v1
            kind: Secret
            metadata: { name: medbuilder-database-ca }
            data: { ca.crt: \(base64("a certificate")) }

            """
        try Data(authority.utf8).write(to: folder.appending(path: "ca.yaml"))
        // With the locks in shared memory, all podmans of the machine would share them. The machine's own limits may not be set here.
        let limits =
            "\"nofile=\(Container.limits.openFiles):\(Container.limits.openFiles)\", "
            + "\"nproc=\(Container.limits.processes):\(Container.limits.processes)\""
        let settings = """
            [containers]
            default_ulimits = [\(limits)]
            [engine]
            lock_type = "file"
            events_logger = "none"

            """
        try Data(settings.utf8).write(to: folder.appending(path: "pod.conf"))
    }

    /// Runs a tool where the pod is: among its processes, in its network, with its `/run`.
    @discardableResult
    func within(_ command: [String]) async throws -> String {
        let parent = self.outer.identifier
        let children = try String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .utf8)
        let inner = try #require(children.split(separator: " ").first.map(String.init))
        return try await runTool("nsenter", ["--target", inner, "--net", "--pid", "--mount"] + command)
    }

    /// Runs a podman command.
    @discardableResult
    func podman(_ command: [String]) async throws -> String { try await self.within(self.podman + command) }

    /// What podman says of the container.
    func inspect(_ format: String) async throws -> String {
        try await self.podman(["inspect", Self.container, "--format", "{{\(format)}}"])
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs the program once more in the container.
    @discardableResult
    func execute(_ arguments: String...) async throws -> String {
        try await self.podman(["exec", Self.container, BinaryUnderTest.path] + arguments)
    }

    /// What the program has logged.
    var records: [LoggedRecord] {
        get async throws {
            try await self.podman(["logs", Self.container]).split(separator: "\n")
                .map { LoggedRecord(line: String($0)) }
        }
    }

    /// A `GET`: the status, and then the body.
    func get(port: Int, _ path: String) async throws -> (status: Int, body: String) {
        let answer = try await self.within([
            "curl", "-s", "--max-time", "30", "-w", "\\n%{http_code}", "http://127.0.0.1:\(port)\(path)",
        ])
        let lines = answer.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }

    // MARK: Control groups, which nothing takes along when podman is killed

    private static var controlGroups: Set<String> {
        let base = "/sys/fs/cgroup"
        let roots =
            [base] + ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []).map { "\(base)/\($0)" }
        return Set(
            roots.map { "\($0)/libpod_parent" }.flatMap { parent in
                ((try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []).map { "\(parent)/\($0)" }
                    .filter { (try? FileManager.default.contentsOfDirectory(atPath: $0)) != nil }
            })
    }

    private static func remove(_ groups: Set<String>) async throws {
        try await eventually("the control groups are gone") {
            for group in groups {
                for child in (try? FileManager.default.contentsOfDirectory(atPath: group)) ?? [] {
                    rmdir("\(group)/\(child)")
                }
                rmdir(group)
                // Not as long as another podman has one there.
                rmdir(URL(filePath: group).deletingLastPathComponent().path)
            }
            return groups.allSatisfy { access($0, F_OK) != 0 }
        }
    }
}
