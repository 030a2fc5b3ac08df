// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CoreMetrics
import Dispatch
import Foundation
import Instrumentation
import Logging
import MedRuntime
import MedServer
import MedTelemetry
import NIOCore

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the server.",
        discussion: "With no settings at all it stores in ./.medbuilder and listens on port 5000."
    )

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let startedAt = SuspendingClock.now
        let stop = StopSignal()
        Main.signals.deliver { stop.received($0) }
        let settings = try self.settings.load(for: Self.self)
        let key = try settings.phiKey()
        Self.makeStateFolder(settings.stateDirectory)
        let output = LogWriter(spillPath: settings.log.spillFile)
        let levels = LogLevels(settings.log.levels)
        // Tells this start from every other, on this machine and elsewhere.
        let instance = HexText.text(.random(in: 0...(.max))) + HexText.text(.random(in: 0...(.max)))
        let otlp = try Exporting.configuration(
            environment: ProcessInfo.processInfo.environment, hasMetrics: settings.hasMetrics)
        // The log and what goes to a collector say the same.
        let service = LogService(
            name: otlp.resourceValue("service.name") ?? "medbuilder",
            version: otlp.resourceValue("service.version") ?? Version.current,
            environment: otlp.resourceValue("deployment.environment.name") ?? settings.environment.rawValue,
            instanceID: otlp.resourceValue("service.instance.id") ?? instance
        )
        let isColored = isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
        let exporting = Exporting(otlp, spoolFolder: settings.stateDirectory + "/otlp", service: service)
        LoggingSystem.bootstrap { label in
            StructuredLogHandler(
                label: label,
                writer: output,
                format: settings.log.format,
                service: service,
                levels: levels,
                colored: isColored,
                metadataProvider: RequestMetadata.provider,
                sink: exporting?.logSink
            )
        }
        let logger = Logger(label: "medbuilder")
        levels.report(to: logger)
        if !otlp.unusedVariables.isEmpty {
            logger.warning(
                "Settings of telemetry not used",
                metadata: ["otlp.variables": "\(otlp.unusedVariables.joined(separator: ","))"])
        }
        let tls = try settings.tlsIdentity(logger: logger)
        let arguments = self.settings
        // A file can take for ever (a pipe, a network that is gone), and the thread of the signals has to hear of the next one.
        let reading = DispatchQueue(label: "settings")
        stop.onHangUp {
            tls?.reload()
            reading.async { arguments.reloadLevels(levels, logger: logger) }
        }
        // Traces need it as well.
        let telemetry =
            try settings.hasMetrics || exporting != nil ? Self.makeTelemetry(settings, output, exporting) : nil
        if let telemetry { MetricsSystem.bootstrap(RegistryMetricsFactory(telemetry.registry, logger: logger)) }
        if let exporting {
            InstrumentationSystem.bootstrap(exporting.tracer)
            exporting.start(settings.hasMetrics ? telemetry : nil, logger: logger)
        }
        // Before standard error is no longer the operator's: a URL that cannot be used is said there.
        let database = try settings.makeDatabase(telemetry: telemetry, logger: logger)
        let note = ExitNote(folder: settings.stateDirectory, instance: instance, logger: logger)
        let lifecycle = Lifecycle(
            configuration: settings.shutdown,
            logger: logger,
            lastWords: { receipt in
                note.leave(receipt)
                // At the deadline half a second is left in all; a log that is stuck must not have all of it. Before, it may have the
                // second that SPEC §4 leaves it.
                let isInTime = receipt.outcome != .forced && receipt.outcome != .secondSignal
                if output.flush(timeout: .milliseconds(isInTime ? 900 : 300)) { note.isLogged(receipt) }
                note.finish(timeout: .milliseconds(100))
            }
        )
        lifecycle.onPhase { phase in
            if phase == .draining, let receipt = lifecycle.receipt { note.leaveBeginning(receipt) }
        }
        stop.attach(to: lifecycle, logger: logger)
        if settings.containsTraps {
            do throws(CrashGuardError) {
                try CrashGuard.install(
                    around: lifecycle,
                    recordingIn: settings.stateDirectory + "/last-crash",
                    // What `fatalError` says could be PHI.
                    standardError: settings.environment.isDeployed ? .withheld : .logged,
                    logger: logger
                )
            } catch {
                logger.error("Traps are not contained", metadata: ["error.message": "\(error)"])
            }
        }
        let application = Application(
            settings: settings,
            key: key,
            database: database,
            tls: tls,
            lifecycle: lifecycle,
            version: Version.current,
            startedAt: startedAt,
            instance: instance,
            unrecorded: note.last,
            recorded: { note.isInDatabase() },
            telemetry: telemetry,
            levels: levels,
            serviceManager: ServiceManager(environment: ProcessInfo.processInfo.environment),
            accessLogger: Logger(label: "medbuilder.access"),
            accessDataset: "\(service.name).access",
            logger: logger
        )
        await Self.wait(until: startedAt.advanced(by: settings.drill.startDelay), lifecycle)
        do throws(PortError) {
            try await application.open()
        } catch {
            logger.critical(
                "\(error)",
                metadata: [
                    "error.message":
                        "\(Self.reason(error.cause)). Is something else listening there? Choose another with PORT or --port."
                ]
            )
            output.flush(timeout: .seconds(1))
            _exit(MedRuntime.ExitCode.unavailable)
        }
        // The first one registered is the last one done.
        if let exporting { lifecycle.onCleanUp("telemetry") { await exporting.finish() } }
        await application.run()
        // The lifecycle ends the process, after its last words.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    /// Holds the start up for as long as the drill wants; whoever stops the process need not wait for that.
    private static func wait(until end: SuspendingClock.Instant, _ lifecycle: Lifecycle) async {
        while SuspendingClock.now < end, !lifecycle.phase.isShuttingDown {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Where the spill file and others go; what cannot be made is complained about by whoever needs it.
    private static func makeStateFolder(_ path: String) {
        try? FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private static func makeTelemetry(
        _ settings: Settings, _ writer: LogWriter, _ exporting: Exporting?
    ) throws -> ServerTelemetry {
        do throws(MetricError) {
            let telemetry = try ServerTelemetry(
                MetricRegistry(), version: Version.current, environment: settings.environment.rawValue,
                scheme: settings.tls == nil ? "http" : "https", hasPlainPort: settings.managementPort != nil,
                databaseSystem: settings.database.system,
                tracer: exporting?.tracer)
            telemetry.watchLog(writer)
            return telemetry
        } catch {
            throw Complaint.exit(error.description, code: MedRuntime.ExitCode.configuration)
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "It is no address of this machine" }
        return String(cString: strerror(error.errnoCode))
    }
}
