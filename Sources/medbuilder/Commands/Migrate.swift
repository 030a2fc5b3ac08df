// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import MedRuntime
import MedServer
import MedStorage

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the database's schema up to the version of this program.",
        discussion: "One process at a time; doing it twice does nothing."
    )

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        Main.signals.release()
        let settings = try self.settings.load(for: Self.self)
        let database = settings.makeDatabase(logger: Logger(label: "medbuilder") { _ in SwiftLogNoOpLogHandler() })
        do throws(DatabaseError) {
            try await database.open()
            let report = try await database.migrate()
            await database.close()
            print("The schema is at version \(report.version); \(report.applied) migrations were applied.")
        } catch {
            await database.close()
            throw Complaint.exit(error.description, code: MedRuntime.ExitCode.unavailable)
        }
    }
}
