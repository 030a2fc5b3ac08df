// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import MedDrill

/// pgbouncer in transaction mode before a ``PostgresServer``: sessions there belong to nobody.
package final class PgBouncer: Sendable {
    /// Where it listens.
    package let port: Int
    private let process: ChildProcess
    private let folder: URL

    /// Starts it in a folder of its own below `folder`, with so many sessions of the server for each database.
    package init(before server: PostgresServer, in folder: URL, sessions: Int = 2) async throws {
        self.port = try FreePort.next()
        self.folder = folder.appending(path: "pgbouncer-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        let configuration = self.folder.appending(path: "pgbouncer.ini")
        let users = self.folder.appending(path: "users.txt")
        try Data("\"postgres\" \"\(PostgresServer.password)\"\n".utf8).write(to: users)
        try Data(
            """
            [databases]
            * = host=127.0.0.1 port=\(server.port)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(self.port)
            unix_socket_dir =
            auth_type = plain
            auth_file = \(users.path)
            pool_mode = transaction
            default_pool_size = \(sessions)

            """.utf8
        ).write(to: configuration)
        var command = ["setpriv", "--pdeathsig=INT"]
        if geteuid() == 0 {
            try await runTool("chown", ["-R", "postgres:postgres", self.folder.path])
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT"]
        }
        self.process = try ChildProcess(
            command[0], command.dropFirst() + ["/usr/sbin/pgbouncer", configuration.path],
            environment: ["PATH": "/usr/sbin:/usr/bin:/bin"], folder: URL(filePath: "/"),
            lifetime: TestPatience.helperSeconds)
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while true {
            if (try? await RawClient.connect(port: self.port)) != nil { break }
            guard Date() < limit, !self.process.hasEnded else {
                throw HarnessError(.nothingCame, "pgbouncer did not start: \(self.process.errorText.suffix(1000))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Stops it and removes its files.
    package func end() async {
        try? await self.process.end()
        try? FileManager.default.removeItem(at: self.folder)
    }
}
