// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Logging
import MedRuntime
import MedServer
import MedStorage

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the database's schema up to the version of this program.",
        discussion:
            "One process at a time; doing it twice does nothing. There is no way down: a newer step puts right what an older one got wrong."
    )

    @Flag(help: "Say what was applied and what is lacking, and change nothing.")
    var status = false

    @Flag(help: "Print the SQL that would run, and change nothing.")
    var dryRun = false

    @Option(help: "Stop at this version of the schema.")
    var to: Int?

    @OptionGroup var settings: SettingsArguments

    func validate() throws {
        if self.status, self.dryRun || self.to != nil {
            throw ValidationError("--status goes with neither --dry-run nor --to.")
        }
        if let to, to < 1 { throw ValidationError("--to takes a version of the schema, from 1.") }
    }

    func run() async throws {
        Main.signals.release()
        let settings = try self.settings.load(for: Self.self)
        let database = try settings.makeDatabase(
            logger: Logger(label: "medbuilder") { _ in SwiftLogNoOpLogHandler() }, isPatient: true)
        do throws(DatabaseError) {
            // Whoever only asks does not want a file to be made.
            let asks = self.status || self.dryRun
            if asks, self.isMissing(settings.database.location) {
                try self.show(MigrationPlan.medBuilder.status([], in: database.dialect), of: database)
                return
            }
            try await database.open()
            if asks {
                try self.show(try await database.migrationStatus(), of: database)
            } else {
                let report = try await database.migrate(to: self.to)
                let applied = report.applied == 1 ? "1 migration was" : "\(report.applied) migrations were"
                print("The schema of database '\(database.name)' is at version \(report.version); \(applied) applied.")
            }
            await database.close()
        } catch {
            await database.close()
            throw Complaint.exit(error.description, code: MedRuntime.ExitCode.unavailable)
        }
    }

    private func isMissing(_ location: Settings.Database.Location) -> Bool {
        guard case .sqlite(let path, _) = location else { return false }
        return !FileManager.default.fileExists(atPath: path)
    }

    private func show(_ status: MigrationStatus, of database: any Database) throws(DatabaseError) {
        if self.status {
            self.printStatus(status, of: database)
        } else {
            try self.printStatements(status, dialect: database.dialect)
        }
    }

    private func printStatus(_ status: MigrationStatus, of database: any Database) {
        print(
            "The schema of database '\(database.name)' is at version \(status.version); this program expects \(status.expected)."
        )
        for migration in status.applied {
            let moment = migration.appliedAt.map { "  \($0)" } ?? ""
            print("  applied  \(migration.version)  \(migration.name)\(moment)")
        }
        for migration in status.pending { print("  pending  \(migration.version)  \(migration.name)") }
    }

    private func printStatements(_ status: MigrationStatus, dialect: SQLDialect) throws(DatabaseError) {
        if let to, to > status.expected || to < status.version {
            throw DatabaseError(
                code: .invalidMigrations,
                description:
                    "The schema is at version \(status.version) and can be brought to \(status.expected) at most.")
        }
        let pending = status.pending.filter { $0.version <= self.to ?? .max }
        if pending.isEmpty { print("-- Nothing to do: the schema is at version \(status.version).") }
        for migration in pending {
            print("-- \(migration.version) \(migration.name)")
            for statement in migration.statements(for: dialect) { print(statement + ";") }
        }
    }
}
