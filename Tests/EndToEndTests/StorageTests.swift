// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What the server does with databases that it should not touch, cannot use, or loses for a while.
@Suite(.endToEnd) struct StorageTests {
    // MARK: Files that are not ours

    enum Foreign: String, CaseIterable {
        case rollbackJournal = "CREATE TABLE patients (name TEXT); INSERT INTO patients VALUES ('not ours');"
        case writeAheadLog = "PRAGMA journal_mode = WAL; CREATE TABLE patients (name TEXT);"
        case withAnApplicationIdentifier = "PRAGMA application_id = 42; CREATE TABLE patients (name TEXT);"
        case withMigrationsOfSomebodyElse =
            "CREATE TABLE grdb_migrations (identifier TEXT PRIMARY KEY); INSERT INTO grdb_migrations VALUES ('theirs');"
        case withOurApplicationIdentifier = "PRAGMA application_id = 0x4d454442; CREATE TABLE patients (name TEXT);"
        case onlyWithAnApplicationIdentifier = "PRAGMA application_id = 42; VACUUM;"
    }

    @Test(arguments: Foreign.allCases)
    func `a database of somebody else is left byte for byte`(foreign: Foreign) async throws {
        let folder = try makeFolder("data")
        let file = folder.appending(path: "theirs.sqlite")
        try await SQLiteShell.run(foreign.rawValue, on: file)
        let before = try Data(contentsOf: file)

        let server = try startServer(["DATABASE_URL": "sqlite:data/theirs.sqlite", "DRILL_ROUTES": "on"])
        try await self.expectDatabaseError(server, naming: "theirs.sqlite")
        #expect(try await server.post("/_drill/transaction?value=never").status >= 500)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["theirs.sqlite"])
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))

        #expect(try Data(contentsOf: file) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["theirs.sqlite"])
    }

    @Test(arguments: ["nonsense", "SQLite format 3\u{0}and then nonsense"])
    func `a file that is no database is left byte for byte`(beginning: String) async throws {
        let folder = try makeFolder("data")
        let file = folder.appending(path: "broken.sqlite")
        let before = Data((beginning + String(repeating: "0123456789abcdef", count: 1024)).utf8)
        try before.write(to: file)

        let server = try startServer(["DATABASE_URL": "sqlite:data/broken.sqlite"])
        try await self.expectDatabaseError(server, naming: "broken.sqlite")
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(try Data(contentsOf: file) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["broken.sqlite"])
    }

    @Test func `a database of ours that is damaged is an error`() async throws {
        let file = try await self.ourDatabase("ours.sqlite")
        var bytes = try Data(contentsOf: file)
        // The header still says SQLite; whatever follows does not.
        bytes.replaceSubrange(100..<bytes.count, with: Data(repeating: 0xA5, count: bytes.count - 100))
        try bytes.write(to: file)
        try await self.expectDatabaseError(startServer(["DATABASE_URL": "sqlite:ours.sqlite"]), naming: "ours.sqlite")
    }

    @Test func `a schema that is newer than the binary is an error`() async throws {
        let file = try await self.ourDatabase("newer.sqlite")
        let table = try await self.table(withColumn: "min_compatible", in: file)
        try await SQLiteShell.run(
            self.futureMigration(in: table, compatible: false),
            on: file
        )
        for migrate in ["auto", "off"] {
            let server = try startServer(["DATABASE_URL": "sqlite:newer.sqlite", "DATABASE_MIGRATE": migrate])
            try await self.expectDatabaseError(server, naming: "newer.sqlite")
            server.send(SIGTERM)
            #expect(try await server.waitForExit() == .code(0))
        }
        #expect(try await run("migrate", environment: ["DATABASE_URL": "sqlite:newer.sqlite"]).exit == .code(69))
    }

    @Test func `a schema that is newer, but compatible, is served`() async throws {
        let file = try await self.ourDatabase("newer.sqlite")
        let table = try await self.table(withColumn: "min_compatible", in: file)
        try await SQLiteShell.run(
            self.futureMigration(in: table, compatible: true),
            on: file
        )
        _ = try await readyServer(["DATABASE_URL": "sqlite:newer.sqlite"])
    }

    @Test func `an empty file is ours`() async throws {
        let file = try testFolder().appending(path: "empty.sqlite")
        try Data().write(to: file)
        let server = try await readyServer(["DATABASE_URL": "sqlite:empty.sqlite"])
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(try Data(contentsOf: file).count > 0)
    }

    @Test func `an absolute path is one`() async throws {
        let file = try makeFolder("data").appending(path: "absolute.sqlite")
        _ = try await readyServer(["DATABASE_URL": "sqlite:\(file.path)"])
        #expect(FileManager.default.fileExists(atPath: file.path))
    }

    // MARK: Files that cannot be used

    @Test func `a folder as the database`() async throws {
        _ = try makeFolder("folder.sqlite")
        let server = try startServer(["DATABASE_URL": "sqlite:folder.sqlite"])
        try await self.expectDatabaseError(server, naming: "folder.sqlite")
    }

    @Test func `a path that leads nowhere`() async throws {
        let loop = try testFolder().appending(path: "loop.sqlite")
        try FileManager.default.createSymbolicLink(at: loop, withDestinationURL: loop)
        try await self.expectDatabaseError(startServer(["DATABASE_URL": "sqlite:loop.sqlite"]), naming: "loop.sqlite")
    }

    @Test func `a missing folder is not made, and is waited for`() async throws {
        let server = try startServer(["DATABASE_URL": "sqlite:missing/file.sqlite"])
        try await self.expectDatabaseError(server, naming: "file.sqlite")
        #expect(try !FileManager.default.fileExists(atPath: testFolder().appending(path: "missing").path))
        _ = try makeFolder("missing")
        try await server.waitUntilReady()
    }

    @Test(.enabled("Mounting needs root and CAP_SYS_ADMIN.", canMount))
    func `a database on a read-only file system`() async throws {
        let mount = try await mount("readonly", kilobytes: 4096)
        try await self.ourDatabase("readonly/file.sqlite")
        let before = try FileManager.default.contentsOfDirectory(atPath: mount.folder.path)
        try await mount.makeReadOnly()

        let server = try startServer(["DATABASE_URL": "sqlite:readonly/file.sqlite"])
        try await self.expectDatabaseError(server, naming: "file.sqlite")
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(try FileManager.default.contentsOfDirectory(atPath: mount.folder.path) == before)
    }

    @Test(.enabled("Mounting needs root and CAP_SYS_ADMIN.", canMount))
    func `a read-only root is enough where the state folder and the database are elsewhere`() async throws {
        let mount = try await mount("root", kilobytes: 64)
        try await mount.makeReadOnly()
        let state = try testFolder().appending(path: "state")
        let data = try makeFolder("data")
        let server = try await readyServer(
            ["MEDBUILDER_STATE_DIR": state.path, "DATABASE_URL": "sqlite:\(data.path)/file.sqlite"], in: mount.folder
        )
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        #expect(FileManager.default.fileExists(atPath: state.appending(path: "phi.key").path))
    }

    @Test(.enabled("Mounting needs root and CAP_SYS_ADMIN.", canMount))
    func `a disk that fills up, and has room again`() async throws {
        let mount = try await mount("small", kilobytes: 4096)
        let server = try await drillServer(["DATABASE_URL": "sqlite:small/file.sqlite"])
        #expect(try await server.post("/_drill/transaction?value=before").status == 201)
        try await expectErrorWhileFull(mount, server)
    }

    @Test(.enabled("Mounting needs root and CAP_SYS_ADMIN.", canMount))
    func `a disk that is full from the start`() async throws {
        let mount = try await mount("small", kilobytes: 4096)
        try mount.fill()
        let server = try startServer(["DATABASE_URL": "sqlite:small/file.sqlite"])
        try await self.expectDatabaseError(server, naming: "file.sqlite")
        try mount.free()
        try await server.waitUntilReady()
    }

    // MARK: Durability

    @Test func `kill -9 during 200 writes loses no acknowledged row`() async throws {
        let server = try await drillServer()
        let acknowledged = await withTaskGroup(of: String?.self) { group in
            for index in 0..<200 {
                group.addTask {
                    let value = "row-\(index)"
                    let answer = try? await server.post("/_drill/transaction?ms=2&value=\(value)")
                    return answer?.status == 201 ? value : nil
                }
            }
            var values: Set<String> = []
            for await case let value? in group {
                values.insert(value)
                if values.count == 80 { server.send(SIGKILL) }
            }
            return values
        }
        #expect(try await server.waitForExit() == .signal(SIGKILL))
        #expect(acknowledged.count >= 80)
        #expect(acknowledged.count < 200)

        let again = try await drillServer()
        let rows = try #require(try await again.get("/_drill/rows").json["rows"]?.integer)
        #expect(rows >= acknowledged.count)
        again.send(SIGTERM)
        #expect(try await again.waitForExit() == .code(0))

        let file = try testFolder().appending(path: ".medbuilder/medbuilder.sqlite")
        #expect(try await SQLiteShell.run("PRAGMA integrity_check;", on: file) == ["ok"])
        let table = try await self.table(withColumn: "value", in: file)
        let values = Set(try await SQLiteShell.run("SELECT value FROM \"\(table)\";", on: file))
        #expect(acknowledged.subtracting(values) == [])
    }

    @Test func `kill -9 at any moment of the start leaves what the next start can use`() async throws {
        for _ in 0..<20 {
            let server = try startServer()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...80)))
            server.send(SIGKILL)
            _ = try await server.waitForExit()
        }
        _ = try await readyServer()
    }

    @Test func `writers that queue do not make the database unhealthy`() async throws {
        let server = try await drillServer()
        var clients: [RawClient] = []
        for _ in 0..<20 {
            let client = try await server.connect()
            try await client.request("POST", "/_drill/transaction?ms=150")
            clients.append(client)
        }
        while clients.last?.isQuiet == true {
            #expect(try await databaseStatus(server) == "connected")
            #expect(try await server.get("/ready").status == 200)
            #expect(try await server.get("/_drill/rows").status == 200)
            try await Task.sleep(for: .milliseconds(50))
        }
        for client in clients { #expect(try await client.response(to: "POST").status == 201) }
    }

    @Test func `nothing is acknowledged that a deleted database would take`() async throws {
        let server = try await drillServer()
        #expect(try await server.post("/_drill/transaction?value=kept").status == 201)
        let database = try testFolder().appending(path: ".medbuilder/medbuilder.sqlite")
        try FileManager.default.moveItem(at: database, to: testFolder().appending(path: "elsewhere"))
        #expect(try await server.post("/_drill/transaction?value=lost").status == 503)
        try await eventually("/ready is 503") { try await server.get("/ready").status == 503 }
    }

    @Test func `a database that somebody else locks for long is an error until it is let go`() async throws {
        let server = try await drillServer(["DATABASE_URL": "sqlite:data.sqlite"])
        let shell = try await lock(testFolder().appending(path: "data.sqlite"), writing: true)
        let refused = try await server.post("/_drill/transaction?value=refused")
        #expect(refused.status == 503, "\(refused)")
        try await eventually("health says so") { try await databaseStatus(server) == "error" }
        #expect(try await server.get("/ready").status == 503)
        #expect(try await server.get("/_drill/rows").text == #"{"rows":0}"#)

        try await shell.release()
        try await server.waitUntilReady()
        #expect(try await server.post("/_drill/transaction?value=taken").status == 201)
        #expect(try await server.get("/_drill/rows").text == #"{"rows":1}"#)
    }

    @Test func `two servers share a new database`() async throws {
        let servers = try [startServer(["DRILL_ROUTES": "on"]), startServer(["DRILL_ROUTES": "on"])]
        for server in servers { try await server.waitUntilReady() }
        for server in servers { #expect(try await server.post("/_drill/transaction?value=x").status == 201) }
        for server in servers {
            #expect(try await server.get("/_drill/rows").text == #"{"rows":2}"#)
            server.send(SIGTERM)
            #expect(try await server.waitForExit() == .code(0))
        }
    }

    @Test func `a graceful stop leaves one file`() async throws {
        let file = try await self.ourDatabase("data.sqlite")
        let beside = try FileManager.default.contentsOfDirectory(atPath: testFolder().path).filter {
            $0.hasPrefix("data.sqlite")
        }
        #expect(beside == ["data.sqlite"])
        #expect(try await SQLiteShell.run("PRAGMA journal_mode;", on: file) == ["wal"])
    }

    // MARK: Steps

    /// A database that the server has made.
    @discardableResult
    private func ourDatabase(_ path: String) async throws -> URL {
        let server = try await readyServer(["DATABASE_URL": "sqlite:\(path)"])
        server.send(SIGTERM)
        try #require(try await server.waitForExit() == .code(0))
        return try testFolder().appending(path: path)
    }

    /// Has the table of migrations say that one more was applied, by a newer binary.
    private func futureMigration(in table: String, compatible: Bool) -> String {
        """
        INSERT INTO "\(table)"
        SELECT version + 1, 'from the future', 'x', \(compatible ? "version" : "version + 1"), applied_at
        FROM "\(table)" ORDER BY version DESC LIMIT 1;
        """
    }

    /// The table that has such a column: its name is no business of ours.
    private func table(withColumn column: String, in file: URL) async throws -> String {
        let sql = """
            SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
            WHERE t.type = 'table' AND c.name = '\(column)';
            """
        return try #require(try await SQLiteShell.run(sql, on: file).first)
    }

    /// The server lives, is not ready, says `error`, and has one line in its log about it.
    private func expectDatabaseError(_ server: ServerProcess, naming file: String) async throws {
        try await eventually("the database is an error") { try await databaseStatus(server) == "error" }
        let health = try await server.get("/health")
        #expect(health.status == 503)
        #expect(try health.json["status"]?.string == "unhealthy")
        let ready = try await server.get("/ready")
        #expect(ready.status == 503)
        #expect(try ready.json.value(at: "checks.database") == .bool(false))
        #expect(try await server.get("/live").status == 200)
        for answer in [health, ready] { #expect(!answer.text.contains(file), "\(answer)") }

        // However often it tries again, it says so once.
        try await Task.sleep(for: .milliseconds(1500))
        let lines = server.records.filter { ["warn", "warning", "error"].contains($0.level) && $0.line.contains(file) }
        #expect(lines.count == 1, "\(lines)")
    }
}
