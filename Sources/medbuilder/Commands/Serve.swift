// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
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
        let settings = try self.settings.load(for: Self.self)
        let key = try settings.phiKey()
        let output = LogWriter()
        let service = LogService(
            name: "medbuilder",
            version: Version.current,
            environment: settings.environment.rawValue
        )
        let isColored = isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
        LoggingSystem.bootstrap { label in
            StructuredLogHandler(
                label: label,
                writer: output,
                format: settings.log.format,
                service: service,
                level: settings.log.level,
                colored: isColored
            )
        }
        let logger = Logger(label: "medbuilder")
        let note = ExitNote(folder: settings.stateDirectory, logger: logger)
        let lifecycle = Lifecycle(
            configuration: settings.shutdown,
            logger: logger,
            lastWords: { receipt in
                note.leave(receipt)
                // At the deadline half a second is left in all; a log that is stuck must not have all of it.
                if output.flush(timeout: .milliseconds(400)) { note.erase() }
            },
            exit: { code in _exit(code) }
        )
        lifecycle.onPhase { if $0 == .draining { note.leaveBeginning() } }
        Main.signals.deliver { signal in
            switch signal {
            case .terminate: lifecycle.stop(.sigterm)
            case .interrupt: lifecycle.stop(.sigint)
            case .hangUp: logger.info("SIGHUP received, nothing to reload")
            }
        }
        let application = Application(
            settings: settings,
            key: key,
            database: settings.makeDatabase(logger: logger),
            lifecycle: lifecycle,
            startedAt: startedAt,
            logger: logger
        )
        do {
            try await application.open()
        } catch {
            _ = output.flush(timeout: .seconds(1))
            throw Complaint.exit(
                "Port \(settings.port) of \(settings.host) cannot be opened (\(Self.reason(error))). Is something "
                    + "else listening there? Choose another one with PORT or --port.",
                code: MedRuntime.ExitCode.unavailable
            )
        }
        await application.run()
        // The lifecycle ends the process, after its last words.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "it is no address of this machine" }
        return String(cString: strerror(error.errnoCode))
    }
}
