// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Synchronization
import Testing

/// The image of `deploy/docker/Dockerfile`, built once for all tests that look at it, on a Debian of this machine's mirror, around the
/// binary that was built already.
///
/// podman and buildah keep what is theirs in a folder that goes with the tests. What runs is in a namespace that takes it along however
/// the tests end, as that of `Container`.
struct TestImage: Sendable {
    /// Why no image can be built and run here; `nil` when that is possible.
    static let obstacle: String? = {
        if let obstacle = Container.obstacle { return obstacle }
        for tool in ["buildah", "debootstrap", "readelf", "strip"] {
            let isThere = ["/usr/sbin", "/usr/bin"].contains { access("\($0)/\(tool)", X_OK) == 0 }
            if !isThere { return "There is no \(tool)." }
        }
        return nil
    }()

    /// The name of the image and of its base.
    static let (name, base) = ("localhost/medbuilder:test", "localhost/medbuilder-base:test")

    private static let built = Task { try await TestImage() }

    /// The image, which the first one who asks waits for.
    static var shared: TestImage { get async throws { try await Self.built.value } }

    private let folder: URL

    private init() async throws {
        self.folder = FileManager.default.temporaryDirectory.appending(
            path: "medbuilder-image-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        Self.removeAtExit.withLock { $0.append(self.folder) }
        atexit {
            for folder in TestImage.removeAtExit.withLock({ $0 }) { try? FileManager.default.removeItem(at: folder) }
        }
        // With the locks in shared memory, all podmans of the machine would share them.
        try Data("[engine]\nlock_type = \"file\"\nevents_logger = \"none\"\n".utf8)
            .write(to: self.folder.appending(path: "containers.conf"))

        try await runTool(Project.file("scripts/image-base.sh").path, [], within: TestPatience.installSeconds)
        try await self.podman("import", Project.file(".build-image-base/base.tar").path, Self.base)
        try await self.pack()
        // Here and not in the namespace of podman: on some machines the list of name servers is below /run.
        try await runTool(
            "buildah",
            [
                "--storage-driver", "vfs", "--root", self.storage, "--runroot", self.folder.appending(path: "run").path,
                "bud", "--isolation", "chroot", "--format", "docker", "--layers=false",
                "--file", Project.file("deploy/docker/Dockerfile").path, "--target", "runtime-prebuilt",
                "--build-arg", "BASE_IMAGE=\(Self.base)", "--build-arg", "VERSION=1.2.3", "--build-arg",
                "REVISION=0123abc",
                "--build-arg", "CREATED=2025-10-27T05:34:00Z", "--tag", Self.name,
                self.folder.appending(path: "context").path,
            ],
            within: TestPatience.installSeconds)
    }

    /// The binary, stripped as the image's own is, and the libraries of the Swift runtime, which the image's own has inside.
    private func pack() async throws {
        let target = self.folder.appending(path: "context/bin")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        let listing = try await runTool("ldd", [BinaryUnderTest.path])
        let libraries = listing.matches(of: /=> (\/\S+) \(0x/).map { String($0.output.1) }
        for file in [BinaryUnderTest.path] + libraries.filter({ $0.contains("/swift/linux/") }) {
            let packed = target.appending(path: URL(filePath: file).lastPathComponent).path
            try await runTool("strip", ["--remove-section=.swift_ast", "-o", packed, file])
            try await runTool("chmod", ["a+rx", packed])
        }
    }

    /// Runs a podman command to its end and gives what it printed.
    @discardableResult
    func podman(_ command: String...) async throws -> String {
        try await runTool(Self.namespace[0], Self.namespace.dropFirst() + self.tool + command)
    }

    /// Starts a container with the limits that containers have; its output is the server's log.
    func run(name: String, options: [String]) throws -> ChildProcess {
        let limits = Container.limits
        return try ChildProcess(
            Self.namespace[0],
            Self.namespace.dropFirst() + self.tool + [
                "run", "--name", name, "--read-only", "--network", "host", "--log-driver", "none", "--cgroups",
                "no-conmon",
                "--cgroup-parent", "/\(name)",
                "--ulimit", "nofile=\(limits.openFiles):\(limits.openFiles)",
                "--ulimit", "nproc=\(limits.processes):\(limits.processes)",
            ] + options + [Self.name],
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            folder: self.folder
        )
    }

    /// Runs a podman command in the namespace in which `run` started a container.
    func podman(_ command: [String], beside container: ChildProcess) async throws -> Finished {
        let path = "/proc/\(container.identifier)/task/\(container.identifier)/children"
        let inside = try String(contentsOfFile: path, encoding: .utf8).split(separator: " ").first ?? "0"
        let process = try ChildProcess(
            "nsenter",
            ["--target", String(inside), "--pid", "--mount"] + self.tool + command,
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            folder: URL(filePath: "/")
        )
        let exit = try await process.waitForExit()
        try await process.waitForOutput()
        return Finished(exit: exit, output: process.outputText, errors: process.errorText)
    }

    private static let removeAtExit = Mutex<[URL]>([])

    private var storage: String { self.folder.appending(path: "storage").path }

    private var tool: [String] {
        [
            "env", "CONTAINERS_CONF=\(self.folder.appending(path: "containers.conf").path)", "podman", "--runtime",
            "runc",
            "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--root", self.storage, "--runroot",
            "/run/state",
            "--tmpdir", "/run/tmp",
        ]
    }

    /// A process list and a `/run` of their own.
    private static let namespace = [
        "unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child",
        "sh", "-c", #"mount -t tmpfs tmpfs /run && exec "$@""#, "sh",
    ]
}
