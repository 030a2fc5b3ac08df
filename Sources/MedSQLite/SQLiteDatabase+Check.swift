// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import GRDB
import Logging
public import MedStorage
import Synchronization

extension SQLiteDatabase {
    /// Asks on a connection of its own. Who asks while a check is running gets the answer of that one.
    public func check() async -> DatabaseCheck {
        let check = self.state.withLock { state in
            if let check = state.check { return check }
            let check = Task { await self.performCheck() }
            state.check = check
            return check
        }
        return await check.value
    }

    private func performCheck() async -> DatabaseCheck {
        defer { self.state.withLock { $0.check = nil } }
        let (connections, isReady, startProblem) = self.state.withLock { ($0.connections, $0.isReady, $0.startProblem) }
        guard let connections, isReady else {
            return DatabaseCheck(
                status: startProblem?.status ?? .disconnected, responseTime: nil, problem: startProblem)
        }
        let start = ContinuousClock.now
        do {
            try await connections.health.access(path: self.path) { [migrations, path] db in
                try connections.claim.identity.require(at: path)
                try Schema.verify(migrations, db, path: path)
            }
            try await self.verifyWrites(connections)
            return DatabaseCheck(status: .connected, responseTime: ContinuousClock.now - start)
        } catch {
            return DatabaseCheck(status: error.status, responseTime: ContinuousClock.now - start, problem: error)
        }
    }

    // MARK: - Writes

    /// Remembers a failure that says something about the database rather than about the statement.
    func note(_ error: MedStorage.DatabaseError, write: Bool) {
        switch error.code {
        case .corrupt, .notADatabase, .inputOutput: break
        case .readOnly, .full, .replaced, .cannotOpen: if !write { return }
        // A cancelled task stops waiting for the lock early.
        case .locked: if !write || Task.isCancelled { return }
        default: return
        }
        let isNews = self.state.withLock { state in
            state.problemCount += 1
            let isNews = state.problem == nil
            // Damage is not superseded by anything less.
            if state.problem?.code != .corrupt { state.problem = error }
            return isNews
        }
        if isNews {
            self.logger.error("Database access failed", metadata: ["error.message": "\(error)"])
        }
    }

    /// After a failed write, throws its error until a probe has shown that writes work again.
    private func verifyWrites(_ connections: Connections) async throws(MedStorage.DatabaseError) {
        let (problem, count) = self.state.withLock { ($0.problem, $0.problemCount) }
        guard let problem else { return }
        // Damage does not heal under a running server; and a probe elsewhere in the file would not even see it.
        guard problem.code != .corrupt, await self.writers.acquire(within: .milliseconds(250)) else { throw problem }
        defer { self.writers.release() }
        try await connections.health.access(path: self.path) { db in try Self.probeWriting(db) }
        let isSolved = self.state.withLock { state in
            if state.problemCount == count { state.problem = nil }
            return state.problem == nil
        }
        if isSolved {
            self.logger.notice("Database accepts writes again", metadata: ["database.path": "\(self.path)"])
        }
    }

    /// Writes for real, and takes it back: far more than the page cache of the health check holds, so it spills to the disk.
    private static func probeWriting(_ db: GRDB.Database) throws {
        try db.inTransaction(.immediate) {
            try db.execute(
                sql: """
                    CREATE TABLE medbuilder_write_probe (content BLOB);
                    INSERT INTO medbuilder_write_probe VALUES (randomblob(262144));
                    """
            )
            return .rollback
        }
    }

    /// The connection that only the health check uses. It never creates the file.
    func openHealthConnection() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "MedSQLite.health"
        configuration.busyMode = .callback { [healthPatience] in healthPatience.isWorthAnother(attempt: $0) }
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA cache_size = 10") }
        return try DatabaseQueue(path: DatabaseFile.uri(self.path, "mode=rw"), configuration: configuration)
    }
}
