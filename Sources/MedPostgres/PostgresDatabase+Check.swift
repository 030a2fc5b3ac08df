// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Logging
public import MedStorage
import Synchronization

extension PostgresDatabase {
    /// How long the check waits for an answer, and then for a fresh connection: together less than its time limit in the server.
    private static let queryLimit = Duration.milliseconds(600)

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
        let (driver, isReady, startProblem) = self.state.withLock { ($0.driver, $0.isReady, $0.startProblem) }
        guard let driver, isReady else {
            return DatabaseCheck(
                status: startProblem?.status ?? .disconnected, responseTime: nil, problem: startProblem)
        }
        let start = ContinuousClock.now
        // Without the driver's thread, no answer comes and no time limit strikes: whoever waits, waits for ever.
        let watchdog = Task {
            while (try? await Task.sleep(for: .seconds(1))) != nil { _ = try? await self.rebuildIfDead(driver) }
        }
        defer { watchdog.cancel() }
        do throws(DatabaseError) {
            let driver = try await self.rebuildIfDead(driver)
            let health = try await self.askTwice(driver)
            self.renewAfterMigration(driver)
            try await self.verifyWrites(health)
            try self.verifyPool(driver)
            return DatabaseCheck(status: .connected, responseTime: .now - start)
        } catch {
            return DatabaseCheck(
                status: error.status, responseTime: error.status == .disconnected ? nil : .now - start, problem: error)
        }
    }

    /// Asks on the connection that is kept; if that is lost or silent, on a fresh one, which tells a lost connection from a lost server.
    private func askTwice(_ driver: Driver) async throws(DatabaseError) -> PostgresConnection {
        var silence: DatabaseError?
        if let kept = self.state.withLock({ $0.health }), kept.isConnected {
            do throws(DatabaseError) {
                try await self.ask(kept)
                return kept
            } catch {
                if error.code == .readOnly {
                    // With several hosts, another one may be the one that writes by now.
                    if self.location.hasSeveralHosts { self.dropAll(driver) }
                    throw error
                }
                guard !kept.isConnected || error.code == .timeout || error.code == .notReachable else { throw error }
                kept.close()
                if error.code == .timeout { silence = error }
            }
        }
        let fresh = try await self.renewHealth(driver)
        if let silence { throw silence }
        return fresh
    }

    /// A fresh connection of the check's own, if it comes in time.
    ///
    /// The attempt goes on beyond that, for a server that is far away: the next check finds what has come of it. And the next check makes
    /// another attempt, because this one may wait for a network that was not there when it began.
    private func renewHealth(_ driver: Driver) async throws(DatabaseError) -> PostgresConnection {
        let outcome = Outcome()
        let deadline = ContinuousClock.now + Self.queryLimit
        // Its own task: it may end after the check that began it.
        Task {
            do throws(DatabaseError) {
                let fresh = try await PostgresConnection.open(driver.origin)
                do throws(DatabaseError) {
                    try await self.ask(fresh)
                } catch {
                    fresh.close()
                    throw error
                }
                let isWanted = self.state.withLock { state in
                    // The database may have been closed, or another attempt may have been faster.
                    guard state.driver === driver, state.health?.isConnected != true else { return false }
                    state.health = fresh
                    return true
                }
                if !isWanted { fresh.close() }
                outcome.end(.success(()))
            } catch {
                outcome.end(.failure(error))
            }
        }
        while true {
            if let health = self.state.withLock({ $0.health }), health.isConnected { return health }
            if case .failure(let error)? = outcome.result { throw error }
            guard ContinuousClock.now < deadline, (try? await Task.sleep(for: .milliseconds(5))) != nil else {
                throw DatabaseError(
                    code: .notReachable,
                    description:
                        "Database '\(self.location.name)' did not answer, and a fresh connection did not come within "
                        + "\(Self.queryLimit.inSeconds) s.")
            }
        }
    }

    /// What came of an attempt to connect.
    private final class Outcome: Sendable {
        private let state = Mutex<Result<Void, DatabaseError>?>(nil)
        var result: Result<Void, DatabaseError>? { self.state.withLock { $0 } }
        func end(_ result: Result<Void, DatabaseError>) { self.state.withLock { $0 = result } }
    }

    /// Another replica has changed the schema: what is prepared was made for the old one. A parameter keeps the type that it had, and the server
    /// converts what comes in it, without a word and by its own clock's zone where a timestamp was given one.
    private func renewAfterMigration(_ driver: Driver) {
        let isOutdated = self.state.withLock { state in
            defer { state.appliedCount = state.newAppliedCount }
            return state.appliedCount != nil && state.appliedCount != state.newAppliedCount
        }
        if isOutdated { driver.pool.replaceAll() }
    }

    private func dropAll(_ driver: Driver) {
        self.state.withLock { $0.health }?.close()
        driver.pool.replaceAll()
    }

    private func ask(_ connection: PostgresConnection) async throws(DatabaseError) {
        let applied = try await Schema.applied(connection, limit: Self.queryLimit)
        self.state.withLock { $0.newAppliedCount = applied.count }
        try self.migrations.verify(applied, in: .postgres)
        let mode: Statement = "SELECT current_setting('transaction_read_only') = 'on'"
        let isReadOnly: Bool =
            try await connection.run(mode, limit: Self.queryLimit).rows(database: connection.name).first?.decode(0)
            ?? false
        if isReadOnly {
            throw DatabaseError(
                code: .readOnly,
                description:
                    "Database '\(self.location.name)' can be read but not written: it is a standby, or default_transaction_read_only is on."
            )
        }
    }

    // MARK: - Writes

    /// Remembers a failure that says something about the database rather than about the statement.
    func note(_ error: DatabaseError, write: Bool) {
        switch error.code {
        case .corrupt, .inputOutput: break
        case .readOnly, .full: if !write { return }
        default: return
        }
        let isNews = self.state.withLock { state in
            state.problemCount += 1
            let isNews = state.problem == nil
            // Damage is not superseded by anything less.
            if state.problem?.code != .corrupt { state.problem = error }
            return isNews
        }
        if isNews { self.logger.error("Database access failed", metadata: ["error.message": "\(error)"]) }
    }

    /// After a failed write, throws its error until a probe has shown that writes work again.
    private func verifyWrites(_ connection: PostgresConnection) async throws(DatabaseError) {
        let (problem, count) = self.state.withLock { ($0.problem, $0.problemCount) }
        guard let problem else { return }
        // Damage does not heal under a running server.
        guard problem.code != .corrupt else { throw problem }
        // Far more than a page, so that the server has to find room for it; and taken back.
        do throws(DatabaseError) {
            try await connection.command(
                """
                BEGIN;
                CREATE TABLE medbuilder_write_probe AS
                    SELECT repeat(md5(number::text), 64) AS content FROM generate_series(1, 256) AS number;
                ROLLBACK
                """,
                limit: Self.queryLimit)
        } catch {
            // The transaction is still open, and every later question would be refused in it.
            _ = try? await connection.command("ROLLBACK", limit: Self.queryLimit, isCancellable: false)
            throw error
        }
        let isSolved = self.state.withLock { state in
            if state.problemCount == count { state.problem = nil }
            return state.problem == nil
        }
        if isSolved { self.logger.notice("Database accepts writes again") }
    }

    // MARK: - A pool that is dead

    private func verifyPool(_ driver: Driver) throws(DatabaseError) {
        let stalledFor = driver.pool.statistics.stalledFor
        switch self.state.withLock({ $0.rebuild.next(stalledFor: stalledFor, now: .now) }) {
        case .none: return
        case .replaceConnections:
            self.logger.warning("Connections replaced: the pool gave none out although the database answers")
            driver.pool.replaceAll()
        case .rebuildDriver:
            try self.rebuild(driver)
        case .report:
            throw DatabaseError(
                code: .poolExhausted,
                description:
                    "The pool of database '\(self.location.name)' gives no connection out although the database answers, and making it anew "
                    + "has not helped.")
        }
    }

    /// The driver, or another one if its thread does nothing any more.
    private func rebuildIfDead(_ driver: Driver) async throws(DatabaseError) -> Driver {
        if driver.reactor.isAlive(now: .now) { return driver }
        // After a pause of the whole process, its thread may only not have had its turn yet.
        try? await Task.sleep(for: .milliseconds(500))
        return driver.reactor.isAlive(now: .now) ? driver : try self.rebuild(driver)
    }

    /// Puts a new driver in the place of this one; who still uses a connection of it loses it.
    @discardableResult
    private func rebuild(_ driver: Driver) throws(DatabaseError) -> Driver {
        let isOurs = self.state.withLock { state in
            guard state.driver === driver else { return false }
            state.health?.close()
            state.health = nil
            state.driver = nil
            return true
        }
        if isOurs {
            self.logger.error("Driver rebuilt: it gave no connection out although the database answers")
            driver.pool.closeAll()
            driver.reactor.stop()
        }
        // Somebody else may have been faster, or may have closed the database: then it stays closed.
        guard isOurs else {
            guard let driver = self.state.withLock({ $0.driver }) else { throw self.closed }
            return driver
        }
        let new = try self.makeDriver()
        new.pool.fill()
        return new
    }
}
