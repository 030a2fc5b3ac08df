// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// A container for the binary, which is process 1 there: its root file system, and the command that starts it.
///
/// ```swift
/// let container = try await Container(in: folder)
/// let server = try ServerProcess(in: folder, launcher: container.launcher)
/// try await server.waitUntilReady()
/// try await container.podman(["stop"], of: server)
/// #expect(try await server.waitForExit() == .code(0))
/// try await container.remove()
/// ```
///
/// It shares the network of the machine, so that ``ServerProcess`` finds its port, and nothing else. It runs as a user
/// who may do nothing, with the limits on open files and threads that ``limits`` says. podman itself is process 1 of a
/// namespace with a `/run` of its own, so that whatever ends it ends the container too, and takes along what it kept.
package struct Container: Sendable {
    /// The limits that are in force inside.
    package static let limits = (openFiles: 1024, processes: 1000)

    /// Why no container can be run here; `nil` when that is possible.
    package static let obstacle: String? = {
        let search = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        for tool in ["podman", "runc", "unshare", "nsenter", "ldd"] {
            let isThere = search.contains { access("\($0)/\(tool)", X_OK) == 0 }
            if !isThere { return "There is no \(tool)." }
        }
        guard geteuid() == 0, Self.mayAdministerSystem() else {
            return "Containers need root and CAP_SYS_ADMIN."
        }
        if Self.controlGroupFolders().contains(where: { access($0, W_OK) != 0 }) {
            return "The control groups of this machine are read-only."
        }
        return nil
    }()

    /// The working folder of the binary, as it is seen from outside.
    package let folder: URL
    /// What to put before the binary, for ``ServerProcess``.
    package let launcher: [String]
    private let name: String
    private let podman: [String]

    /// Makes the root file system below `folder`: the binary, the libraries that it loads, and next to nothing else.
    ///
    /// - Parameter options: More options of `podman run`, such as `["--cpuset-cpus", "0"]`.
    package init(in folder: URL, options: [String] = []) async throws {
        self.name = "medbuilder-\(UUID().uuidString.prefix(8))"
        let root = folder.appending(path: "root")
        self.folder = root.appending(path: "srv")
        for name in ["etc", "tmp", "srv", "proc", "sys", "dev", "run"] {
            try FileManager.default.createDirectory(at: root.appending(path: name), withIntermediateDirectories: true)
        }
        try Data("nobody:x:65532:65532::/srv:/\n".utf8).write(to: root.appending(path: "etc/passwd"))
        try Data("nobody:x:65532:\n".utf8).write(to: root.appending(path: "etc/group"))
        guard chmod(root.appending(path: "tmp").path, 0o1777) == 0, chown(self.folder.path, 65532, 65532) == 0 else {
            throw HarnessError.system("Handing the folders over", errno)
        }
        // `cp`, because a program that this process had open for writing could not be started ("text file busy").
        try await runTool("cp", ["--dereference", "--parents"] + Self.needed(by: BinaryUnderTest.path) + [root.path])
        // Where the umask of the tests or the modes of the build keep others out, that user is one of them.
        try await runTool("chmod", ["-R", "a+rX", root.path])

        let settings = folder.appending(path: "containers.conf")
        // With the locks in shared memory, all podmans of the machine would share them.
        try Data("[engine]\nlock_type = \"file\"\nevents_logger = \"none\"\n".utf8).write(to: settings)
        // podman refuses a `--runroot` of more than 50 characters, which a folder of a test has.
        self.podman = [
            "env", "CONTAINERS_CONF=\(settings.path)", "podman", "--runtime", "runc", "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--root", "/run/storage", "--runroot", "/run/state", "--tmpdir", "/run/tmp",
        ]
        let namespace = [
            "unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child",
            "sh", "-c", #"mount -t tmpfs tmpfs /run && exec "$@""#, "sh",
        ]
        self.launcher =
            namespace + self.podman + [
                "run", "--name", self.name, "--rm", "--network", "host", "--env-host", "--log-driver", "none",
                "--cgroups", "no-conmon", "--cgroup-parent", "/\(self.name)", "--user", "65532:65532",
                "--ulimit", "nofile=\(Self.limits.openFiles):\(Self.limits.openFiles)",
                "--ulimit", "nproc=\(Self.limits.processes):\(Self.limits.processes)",
                "--workdir", "/srv",
            ] + options + ["--rootfs", root.path]
    }

    /// Runs another podman command on the container: `stop`, or `kill --signal TERM`.
    package func podman(_ command: [String], of server: ServerProcess) async throws {
        guard let podman = Self.children(of: server.process.identifier).first else {
            throw HarnessError(.exited, "The container has ended.")
        }
        let process = try ChildProcess(
            "nsenter",
            ["--target", "\(podman)", "--pid", "--mount"] + self.podman + command + [self.name],
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            folder: URL(filePath: "/")
        )
        let exit = try await process.waitForExit()
        // Once the container has ended, its namespace ends and this command with it, at whatever point it is.
        guard exit == .code(0) || exit == .signal(SIGKILL) else {
            throw HarnessError(
                .system, "podman \(command.joined(separator: " ")) ended with \(exit): \(process.errorText)")
        }
    }

    /// The binary, as this machine numbers it; `nil` when it does not run (yet).
    package func processOne(of server: ServerProcess) -> pid_t? {
        // unshare ─ podman ─ conmon ─ the binary
        var level = [server.process.identifier]
        for _ in 0..<3 { level = level.flatMap(Self.children(of:)) }
        return level.first { Self.executable(of: $0) == BinaryUnderTest.path }
    }

    /// Its control groups, which nothing takes along when podman is killed.
    package var traces: [String] {
        Self.controlGroupFolders().map { "\($0)/\(self.name)" }.filter { access($0, F_OK) == 0 }
    }

    /// Removes its control groups, as soon as the last of its processes is gone. The server has to have ended.
    package func remove() async throws {
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while true {
            for group in self.traces {
                // Those that are files belong to the folder and go with it.
                for child in (try? FileManager.default.contentsOfDirectory(atPath: group)) ?? [] {
                    rmdir("\(group)/\(child)")
                }
                rmdir(group)
            }
            if self.traces.isEmpty { return }
            guard Date() < limit else {
                throw HarnessError(.nothingCame, "The control groups do not go: \(self.traces)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private static func needed(by binary: String) async throws -> [String] {
        let listing = try await runTool("ldd", [binary])
        return [binary] + listing.matches(of: /(?m)(?:=> |^\s+)(\/\S+) \(0x/).map { String($0.output.1) }
    }

    private static func children(of process: pid_t) -> [pid_t] {
        let list = try? String(contentsOfFile: "/proc/\(process)/task/\(process)/children", encoding: .utf8)
        return (list ?? "").split(separator: " ").compactMap { pid_t($0) }
    }

    private static func executable(of process: pid_t) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
    }

    /// Version 2 has one hierarchy of control groups, version 1 has one for each controller.
    private static func controlGroupFolders() -> [String] {
        let base = "/sys/fs/cgroup"
        if access("\(base)/cgroup.controllers", F_OK) == 0 { return [base] }
        return ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []).map { "\(base)/\($0)" }
    }

    private static func mayAdministerSystem() -> Bool {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let capabilities = line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
        // 21 is CAP_SYS_ADMIN.
        return capabilities & 1 << 21 != 0
    }
}
