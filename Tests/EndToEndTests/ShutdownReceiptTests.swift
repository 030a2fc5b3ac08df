// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Every shutdown is a row, whoever had to write it.
@Suite(.endToEnd) struct ShutdownReceiptTests {
    @Test func `each way to stop leaves a row, the hard ones by the next start`() async throws {
        let graceful = try await drillServer()
        graceful.send(SIGTERM)
        #expect(try await graceful.waitForExit() == .code(0))
        #expect(try await self.rows() == ["SIGTERM graceful 0"])

        let failing = try await drillServer()
        #expect(try await failing.post("/_drill/task-throw").status == 202)
        #expect(try await failing.waitForExit() == .code(70))
        #expect(try await self.rows() == ["SIGTERM graceful 0", "UNHANDLED_REJECTION contained_failure 70"])

        let killed = try await drillServer(["SHUTDOWN_GRACE_SECONDS": "20"])
        let held = try await killed.inFlight("/_drill/sleep?ms=60000")
        killed.send(SIGINT)
        try await killed.record(Sentence.interrupt)
        try await eventually("the note is there") { try self.note().contains("killed") }
        killed.send(SIGKILL)
        _ = try await killed.waitForExit()
        _ = try await held.remainder()

        let forced = try await drillServer([
            "SHUTDOWN_GRACE_SECONDS": "0.1", "SHUTDOWN_DEADLINE_SECONDS": "1", "DRILL_CLEAN_UP_SECONDS": "60",
        ])
        try await eventually("the row of the killed one is there") {
            try await self.rows().contains("SIGINT killed 137")
        }
        forced.send(SIGTERM)
        #expect(try await forced.waitForExit() == .code(1))
        #expect(try self.note().hasPrefix("logged "))

        let last = try await drillServer()
        try await eventually("the row of the forced one is there") {
            try await self.rows().contains("SIGTERM forced 1")
        }
        #expect(!last.messages.contains("The last shutdown was not logged to its end"))
        last.send(SIGTERM)
        #expect(try await last.waitForExit() == .code(0))
        #expect(try self.note().isEmpty)
        #expect(
            try await self.rows() == [
                "SIGINT killed 137", "SIGTERM forced 1", "SIGTERM graceful 0", "SIGTERM graceful 0",
                "UNHANDLED_REJECTION contained_failure 70",
            ])
    }

    @Test func `a database that is away holds no exit up, and gets its row later`() async throws {
        let database = try await startPostgres()
        let environment = ["DATABASE_URL": database.url("postgres")]
        let server = try await drillServer(environment)
        try await database.stop()
        try await eventually("the database is disconnected") { try await databaseStatus(server) == "disconnected" }
        server.send(SIGTERM)
        #expect(try await server.waitForExit() == .code(0))
        try await database.start()
        let next = try await drillServer(environment)
        try await eventually("the row is there") {
            try await database.query("SELECT trigger || ' ' || outcome FROM shutdown_receipts") == "SIGTERM graceful"
        }
        next.send(SIGTERM)
        #expect(try await next.waitForExit() == .code(0))
        #expect(try await database.query("SELECT count(*) FROM shutdown_receipts") == "2")
    }

    private func note() throws -> String {
        try String(contentsOf: testFolder().appending(path: ".medbuilder/last-exit"), encoding: .utf8)
    }

    private func rows() async throws -> [String] {
        try await SQLiteShell.run(
            "SELECT trigger || ' ' || outcome || ' ' || exit_code FROM shutdown_receipts ORDER BY trigger, outcome",
            on: testFolder().appending(path: ".medbuilder/medbuilder.sqlite"))
    }
}
