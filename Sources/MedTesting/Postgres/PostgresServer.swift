// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import MedDrill
import Synchronization

/// A real PostgreSQL server of a test's own, in a folder of its own, on a port of this machine.
///
/// ```swift
/// let server = try await PostgresServer(in: folder)
/// let url = try await server.createDatabase()
/// …
/// try await server.stop()
/// ```
///
/// It ends with the tests, however they end. When root runs them, it runs as the user `postgres`, since it refuses to run as root.
package final class PostgresServer: Sendable {
    /// How a server is told to stop, by the signal for it (PostgreSQL, 19.5).
    package enum Stop: Sendable {
        /// Ends sessions and transactions properly.
        case fast
        /// Drops everything; the next start recovers.
        case immediate
        /// Is killed, as by the system.
        case kill

        var signal: Int32 {
            switch self {
            case .fast: SIGINT
            case .immediate: SIGQUIT
            case .kill: SIGKILL
            }
        }
    }

    /// The password of the user `postgres`.
    package static let password = "test-password"

    /// The port, which stays the same over restarts.
    package let port: Int
    private let folder: URL
    /// Where its Unix socket is.
    private let socketFolder: String
    private let settings: [String: String]
    private let process = Mutex<ChildProcess?>(nil)
    private let databases = Mutex(0)

    /// The folders of all sockets, for the end of the tests: a server that they share is ended by no one.
    private static let socketFolders = Mutex<[String]>([])

    /// Where the programs are: Debian keeps them apart by version, and not on the `PATH`.
    private static let programs: String? = {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return versions.compactMap { Int($0) }.max().map { "\(root)/\($0)/bin/" }
    }()

    private static let asItsUser: [String] =
        geteuid() == 0
        ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT"]
        : ["setpriv", "--pdeathsig=INT"]

    /// Makes a server and waits until it takes connections.
    ///
    /// - Parameters:
    ///   - folder: A folder that exists, below which its own is made.
    ///   - settings: More lines of `postgresql.conf`.
    ///   - certificate: With what it speaks TLS; without, it does not.
    package init(
        in folder: URL, settings: [String: String] = [:], certificate: TestCertificate? = nil
    ) async throws {
        self.folder = try Self.makeFolder(in: folder)
        self.socketFolder = try Self.makeSocketFolder()
        self.port = try FreePort.next()
        var settings = Self.defaults(socketFolder: self.socketFolder).merging(settings) { $1 }
        let passwordFile = self.folder.appending(path: "password")
        try Data("\(Self.password)\n".utf8).write(to: passwordFile)
        if let certificate {
            for (name, source) in [
                ("server.pem", certificate.server), ("server.key", certificate.serverKey),
                ("authority.pem", certificate.authority),
            ] {
                let copy = self.folder.appending(path: name)
                try FileManager.default.copyItem(at: source, to: copy)
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: copy.path)
            }
            settings["ssl"] = "on"
            settings["ssl_cert_file"] = "'\(self.folder.path)/server.pem'"
            settings["ssl_key_file"] = "'\(self.folder.path)/server.key'"
        }
        self.settings = settings
        try await self.handOver()
        try await self.runProgram(
            "initdb",
            [
                "-D", self.data, "-U", "postgres", "--pwfile", passwordFile.path, "--auth", "scram-sha-256",
                "--no-sync", "--locale", "C.UTF-8", "-E", "UTF8",
            ])
        try await self.start()
    }

    /// Makes a standby that follows another server and can be read (PostgreSQL, 27.2); that one needs `max_wal_senders` and
    /// `wal_level=replica`.
    package init(standbyOf primary: PostgresServer, in folder: URL) async throws {
        self.folder = try Self.makeFolder(in: folder)
        self.socketFolder = try Self.makeSocketFolder()
        self.port = try FreePort.next()
        self.settings = primary.settings.merging(["unix_socket_directories": "'\(self.socketFolder)'"]) { $1 }
        try await self.handOver()
        try await self.runProgram(
            "pg_basebackup",
            [
                "-D", self.data, "-R", "-X", "stream", "--no-sync", "--checkpoint=fast", "-d",
                "host=\(primary.socketFolder) port=\(primary.port) user=postgres password=\(Self.password)",
            ])
        try await self.start()
    }

    private static func makeFolder(in folder: URL) throws -> URL {
        let made = folder.appending(path: "postgres-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
        return made
    }

    /// Makes a folder for a Unix socket, whose path has room for 107 bytes: that of a test's own folder may have more.
    private static func makeSocketFolder() throws -> String {
        guard let template = strdup("/tmp/pgXXXXXX") else { throw HarnessError.system("strdup", errno) }
        defer { free(template) }
        guard let made = mkdtemp(template) else { throw HarnessError.system("mkdtemp", errno) }
        let folder = String(cString: made)
        let isFirst = self.socketFolders.withLock { folders in
            folders.append(folder)
            return folders.count == 1
        }
        if isFirst { atexit { PostgresServer.removeSocketFolders() } }
        return folder
    }

    private static func removeSocketFolders() {
        for folder in self.socketFolders.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: folder) }
    }

    private static func defaults(socketFolder: String) -> [String: String] {
        [
            // Tests pull no plug, and a kill does not empty the system's cache.
            "fsync": "off", "max_connections": "100", "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "'\(socketFolder)'", "log_min_messages": "warning", "shared_buffers": "16MB",
            // Stops are what tests wait for.
            "wal_level": "minimal", "max_wal_senders": "0",
        ]
    }

    /// Gives the folders to the user that the server runs as.
    private func handOver() async throws {
        guard geteuid() == 0 else { return }
        try await runTool("chown", ["-R", "postgres:postgres", self.folder.path, self.socketFolder])
        // The folders above may be closed to it.
        try await Self.open(self.folder.deletingLastPathComponent())
    }

    /// Runs a program of PostgreSQL's as the user that the server runs as.
    private func runProgram(_ name: String, _ arguments: [String]) async throws {
        guard let programs = Self.programs else { throw HarnessError(.system, "There is no PostgreSQL server here.") }
        try await runTool(Self.asItsUser[0], Self.asItsUser.dropFirst() + [programs + name] + arguments)
    }

    /// Lets other users pass through a folder of the tests.
    private static func open(_ folder: URL) async throws {
        var folder = folder.standardizedFileURL
        while folder.path.count > 1 {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.path)
            let mode = (attributes[.posixPermissions] as? Int) ?? 0
            if mode & 0o001 == 0 {
                try FileManager.default.setAttributes([.posixPermissions: mode | 0o011], ofItemAtPath: folder.path)
            }
            folder.deleteLastPathComponent()
        }
    }

    private var data: String { self.folder.appending(path: "data").path }

    /// Starts it (again), on the same port with the same data, and waits until it takes connections.
    package func start() async throws {
        try self.launch()
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while true {
            if (try? await self.query("SELECT 1")) == "1" { return }
            let process = self.process.withLock { $0 }
            guard Date() < limit, process?.hasEnded != true else {
                throw HarnessError(.nothingCame, "PostgreSQL did not start: \(process?.errorText.suffix(2000) ?? "")")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Starts it without waiting for it.
    package func launch() throws {
        let options = self.settings.sorted { $0.key < $1.key }.flatMap {
            ["-c", "\($0.key)=\($0.value.trimmingCharacters(in: ["'"]))"]
        }
        // Of one that was killed; the kernel gives its number to somebody else, sooner or later.
        try? FileManager.default.removeItem(atPath: self.data + "/postmaster.pid")
        let process = try ChildProcess(
            Self.asItsUser[0],
            Self.asItsUser.dropFirst() + [(Self.programs ?? "") + "postgres", "-D", self.data, "-p", "\(self.port)"]
                + options,
            environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"],
            folder: URL(filePath: "/"),
            lifetime: TestPatience.helperSeconds
        )
        self.process.withLock { $0 = process }
    }

    /// Stops it and waits until it is gone.
    package func stop(_ how: Stop = .fast) async throws {
        guard let process = self.process.withLock({ $0 }) else { return }
        process.send(how.signal)
        _ = try await process.waitForExit()
        // Those that it has left behind notice that it is gone.
        if how == .kill { while await self.hasChildren { try await Task.sleep(for: .milliseconds(20)) } }
    }

    /// Stops it and starts it again.
    package func restart(_ how: Stop = .fast) async throws {
        try await self.stop(how)
        try await self.start()
    }

    /// Stops it and removes its files.
    package func end() async {
        try? await self.stop(.immediate)
        try? FileManager.default.removeItem(at: self.folder)
        try? FileManager.default.removeItem(atPath: self.socketFolder)
    }

    /// Whether some process still has the data folder as its own.
    private var hasChildren: Bool {
        get async {
            let data = self.data
            return
                (try? await onThread {
                    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
                    return processes.contains { name in
                        Int(name) != nil
                            && (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/cwd")) == data
                    }
                }) ?? false
        }
    }

    /// What it has written to its log.
    package var log: String { self.process.withLock { $0 }?.errorText ?? "" }

    // MARK: - Another way in

    /// Runs SQL by psql, as the superuser, and gives the values that it prints, columns with `|` between them.
    @discardableResult
    package func query(_ sql: String, database: String = "postgres") async throws -> String {
        let process = try ChildProcess(
            "psql",
            [
                "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.socketFolder, "-p", "\(self.port)", "-U",
                "postgres",
                "-d", database, "-c", sql,
            ],
            environment: ["PATH": "/usr/bin:/bin", "PGPASSWORD": Self.password, "PGCONNECT_TIMEOUT": "60"],
            folder: URL(filePath: "/")
        )
        let exit = try await process.waitForExit()
        try await process.waitForOutput()
        guard exit == .code(0) else { throw HarnessError(.system, "psql ended with \(exit): \(process.errorText)") }
        return process.outputText.trimmingCharacters(in: .newlines)
    }

    /// A new, empty database; gives its URL.
    package func createDatabase() async throws -> String {
        let number = self.databases.withLock { count in
            count += 1
            return count
        }
        let name = "test\(number)"
        try await self.query("CREATE DATABASE \(name)")
        return self.url(name)
    }

    /// The URL of a database, by TCP; `options` are more parameters, as in `sslmode=require`.
    package func url(
        _ database: String, user: String = "postgres", password: String = PostgresServer.password, port: Int? = nil,
        host: String = "127.0.0.1", options: String = ""
    ) -> String {
        "postgres://\(user):\(password)@\(host):\(port ?? self.port)/\(database)\(options.isEmpty ? "" : "?\(options)")"
    }

    /// The URL of a database, by the Unix socket, which reaches into other networks of this machine.
    package func socketURL(_ database: String) -> String {
        let folder = self.socketFolder.replacing("/", with: "%2F")
        return "postgres://postgres:\(Self.password)@/\(database)?host=\(folder)&port=\(self.port)"
    }

    /// Sends a signal to a backend, as somebody with a terminal does.
    package func signal(backend: Int32, _ signal: Int32) { _ = Foundation.kill(backend, signal) }

    /// The process of the server itself.
    package var identifier: pid_t? { self.process.withLock { $0 }?.identifier }
}
