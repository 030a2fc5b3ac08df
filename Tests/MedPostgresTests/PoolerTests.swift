// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedPostgres
import MedStorage
import MedTesting
import Testing

/// Behind pgbouncer in transaction mode, where no session is ours.
@Suite struct PoolerTests {
    private func withPooler(_ body: (_ pooled: String, _ direct: String) async throws -> Void) async throws {
        let server = try await SharedServer.shared.server()
        let direct = try await server.createDatabase()
        let name = try #require(direct.split(separator: "/").last.map(String.init))
        let pooler = try await PgBouncer(before: server, in: FileManager.default.temporaryDirectory)
        do {
            try await body(server.url(name, port: pooler.port), direct)
        } catch {
            await pooler.end()
            throw error
        }
        await pooler.end()
    }

    @Test func `everything works over two sessions, and nothing is left in them`() async throws {
        try await self.withPooler { pooled, direct in
            try await withDatabase(pooled, direct: direct) { database in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<60 {
                        group.addTask {
                            try await database.transaction { transaction in
                                try await transaction.execute(
                                    "INSERT INTO drill_rows (value) VALUES (\("row \(number)"))")
                                _ = try await transaction.query(
                                    "SELECT \([number])::int4[], \(UUID())::uuid, \(Date.now)::timestamptz")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try await database.transaction { transaction in
                    try await transaction.executeAll(
                        (0..<50).map { "INSERT INTO drill_rows (value) VALUES (\("b\($0)"))" })
                }
                #expect(try await database.execute("DELETE FROM drill_rows WHERE value = \("b0")") == 1)
                #expect(try await database.query("SELECT count(*) FROM drill_rows")[0].decode(0) == 109)
                #expect(try await database.query("SELECT count(*) FROM pg_prepared_statements")[0].decode(0) == 0)
                let left = try await database.query("SELECT current_setting('statement_timeout')")
                #expect(left[0][0] == .text("0"))
                #expect(await database.settledCheck().status == .connected)
            }
        }
    }

    @Test func `without a way past it, migrations are refused, and whoever listens is told to look`() async throws {
        try await self.withPooler { pooled, _ in
            let database = PostgresDatabase(
                location: try #require(PostgresLocation(url: pooled)), migrations: .medBuilder,
                limits: PostgresLimits(connect: .seconds(30)), pollInterval: .milliseconds(50), logger: quiet)
            try await database.open()
            #expect(await code { try await database.migrate() } == .unsupported)
            var gaps = 0
            for await notification in database.notifications(on: "things") where notification == .gap {
                gaps += 1
                if gaps == 4 { break }
            }
            await database.close()
        }
    }
}
