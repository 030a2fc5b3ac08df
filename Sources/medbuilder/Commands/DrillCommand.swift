// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#if Drill
    import ArgumentParser
    import Foundation
    import Logging
    import MedDrill
    import MedPostgres
    import MedRuntime
    import MedServer
    import MedStorage

    struct DrillCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drill",
            abstract: "Replace replicas of this program under load, break some, and tell what the clients saw.",
            discussion: """
                It starts replicas behind HAProxy, or what --proxy names, on ports of this machine, on the database that the settings name. \
                That must be PostgreSQL; its schema is brought up to date, and rows are added to its table of drills. It ends with 0 if no \
                request failed in a rolling update, no acknowledged write is missing and no replica ended unasked, else with 1.
                """
        )

        @Option(
            help:
                "What stands before the replicas: \(DrillProxy.allCases.map(\.rawValue).joined(separator: ", ")). (default: haproxy)",
            transform: { try Self.value($0) })
        var proxy = DrillProxy.haproxy

        @Option(help: "How many rolling updates follow one another.")
        var updates = 10

        @Option(help: "Requests a second.")
        var rate = 5000

        @Option(help: "The drain delay of the replicas, in seconds.")
        var drainDelay = 5

        @Option(
            parsing: .upToNextOption,
            help: "Faults after the updates: \(DrillFault.allCases.map(\.rawValue).joined(separator: ", ")).",
            transform: { try Self.value($0) })
        var faults: [DrillFault] = []

        @Option(help: "A shell command that restarts the database; for the fault 'database'.")
        var restartDatabase: String?

        @Option(help: "Where a picture of it is written, as SVG.")
        var picture: String?

        @Option(help: "Where the addresses of the replicas are written, for file_sd_configs of Prometheus.")
        var scrapeTargets: String?

        func validate() throws {
            guard (1...100).contains(self.updates) || self.updates == 0 else {
                throw ValidationError("--updates takes a number from 0 to 100.")
            }
            guard (1...50_000).contains(self.rate) else {
                throw ValidationError("--rate takes a number from 1 to 50000.")
            }
            guard (0...60).contains(self.drainDelay) else {
                throw ValidationError("--drain-delay takes a number of seconds from 0 to 60.")
            }
            if self.faults.contains(.database), self.restartDatabase == nil {
                throw ValidationError("The fault 'database' needs --restart-database.")
            }
            // Known before the drill, and not after minutes of it.
            for (option, path) in [("picture", self.picture), ("scrape-targets", self.scrapeTargets)] {
                guard let path, !Self.canWrite(path) else { continue }
                throw ValidationError("--\(option) names a file that cannot be written.")
            }
        }

        func run() async throws {
            Main.signals.release()
            let environment = ProcessInfo.processInfo.environment
            guard try Self.settings(environment).environment != .production else {
                throw Complaint.exit(
                    "APP_ENV is production, whose database is not for drills.", code: MedRuntime.ExitCode.configuration)
            }
            // As the replicas will have them: what they would refuse is refused before anything is done.
            let settings = try Self.settings(environment.merging(Drill.environment) { $1 })
            guard case .postgres(let url, _) = settings.database.location else {
                throw Complaint.exit(
                    "DATABASE_URL must name a PostgreSQL database: replicas cannot share a file.",
                    code: MedRuntime.ExitCode.configuration)
            }
            guard environment["APP_ENV"] != nil || PostgresLocation(url: url)?.isLocal == true else {
                throw Complaint.exit(
                    "DATABASE_URL names another machine. If its database is for drills and nobody's data are in it, say so with "
                        + "APP_ENV=staging.",
                    code: MedRuntime.ExitCode.configuration)
            }
            let database = try settings.makeDatabase(
                logger: Logger(label: "medbuilder") { _ in SwiftLogNoOpLogHandler() }, isPatient: true)
            let folder = FileManager.default.temporaryDirectory.appending(path: "medbuilder-drill-\(UUID().uuidString)")
            let report: DrillReport
            do {
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                try await database.open()
                try await database.migrate()
                report = try await Drill(
                    self.plan, program: Self.program, environment: environment, folder: folder
                ).run(database: database) { FileHandle.standardError.write(Data("\($0)\n".utf8)) }
                await database.close()
            } catch {
                await database.close()
                // Only an empty one goes.
                let hasLogs = rmdir(folder.path) != 0
                throw Complaint.exit(
                    "\(error)\(hasLogs ? " The logs are in \(folder.path)." : "")",
                    code: MedRuntime.ExitCode.unavailable)
            }
            let table = Data((report.table + "\n").utf8)
            do {
                // First of all where there is surely room, since it cannot be had again.
                try table.write(to: folder.appending(path: "table.txt"))
                try FileHandle.standardOutput.write(contentsOf: table)
                if let picture = self.picture { try Data(report.picture.utf8).write(to: URL(filePath: picture)) }
            } catch {
                throw Complaint.exit("The results could not be written. Table and logs are in \(folder.path).", code: 1)
            }
            guard report.isFlawless else { throw Complaint.exit("The logs are in \(folder.path).", code: 1) }
            try? FileManager.default.removeItem(at: folder)
        }

        /// Whether there is a file that can be replaced, or can be one. It is not opened: a pipe would wait for a reader.
        private static func canWrite(_ path: String) -> Bool {
            let target = URL(filePath: path).resolvingSymlinksInPath().path
            var status = stat()
            if stat(path, &status) == 0 {
                guard status.st_mode & S_IFMT == S_IFREG, access(path, W_OK) == 0 else { return false }
            } else if path.isEmpty || lstat(path, &status) == 0 {
                return false
            }
            return access(URL(filePath: target).deletingLastPathComponent().path, W_OK | X_OK) == 0
        }

        /// Those of an environment: the replicas have no file and no options.
        private static func settings(_ environment: [String: String]) throws -> Settings {
            let options = try SettingsOptions(parsing: [])
            do throws(SettingsError) {
                return try Settings.load(environment: environment, options: options)
            } catch {
                throw Complaint.exit(error.mistakes.joined(separator: "\n"), code: MedRuntime.ExitCode.configuration)
            }
        }

        private var plan: Drill.Plan {
            var plan = Drill.Plan()
            plan.proxy = self.proxy
            plan.updates = self.updates
            plan.faults = self.faults
            plan.rate = self.rate
            plan.drainDelay = self.drainDelay
            plan.databaseRestart = self.restartDatabase
            plan.scrapeTargets = self.scrapeTargets.map { URL(filePath: $0).resolvingSymlinksInPath() }
            return plan
        }

        /// The file that this process was started from.
        private static var program: String {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        }

        private static func value<Value: RawRepresentable & CaseIterable>(_ text: String) throws -> Value
        where Value.RawValue == String {
            guard let value = Value(rawValue: text) else {
                throw ValidationError("It must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return value
        }
    }
#endif
