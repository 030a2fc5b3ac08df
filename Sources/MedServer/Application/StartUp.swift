// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedRuntime
import MedStorage
import ServiceLifecycle

/// What happens between the open port and the first `/ready` of 200: connect, bring the schema up to date.
///
/// A database that does not work is no reason to end: it is tried again for ever, and `/ready` says 503 meanwhile.
struct StartUp: Service {
    /// The longest wait between two attempts.
    static let longestPause = Duration.seconds(1)

    let database: any Database
    let migration: Settings.Database.Migration
    let drill: Settings.Drill.Start
    let engine: HealthEngine
    let lifecycle: Lifecycle
    let progress: StartUpProgress
    let logger: Logger

    /// Makes the database ready and says so; then there is nothing more to do until the shutdown.
    func run() async throws {
        if self.drill == .trap { DrillTrap.nil.spring() }
        try await withGracefulShutdownHandler {
            try await cancelWhenGracefulShutdown { try await self.prepare() }
        } onGracefulShutdown: {
            self.database.interrupt()
        }
        self.lifecycle.started()
        try await gracefulShutdown()
    }

    private func prepare() async throws {
        var pause = Duration.milliseconds(50)
        while true {
            do throws(DatabaseError) {
                self.progress.begin("database")
                try await self.database.open()
                self.progress.begin("schema")
                switch self.migration {
                case .auto:
                    let report = try await self.database.migrate()
                    if report.applied > 0 {
                        self.logger.notice(
                            "Database migrated",
                            metadata: [
                                "migration.applied": "\(report.applied)", "migration.version": "\(report.version)",
                            ]
                        )
                    }
                case .off:
                    try await self.database.verifySchema()
                }
                await self.engine.runNow("database")
                return self.progress.finish()
            } catch {
                self.progress.attemptFailed()
                // The check has the reason, and the log gets it once, however often it is tried.
                await self.engine.runNow("database")
            }
            // Replicas that lost the database together shall not come back together.
            try await Task.sleep(for: pause * Double.random(in: 0.5...1))
            pause = min(pause * 2, Self.longestPause)
        }
    }
}
