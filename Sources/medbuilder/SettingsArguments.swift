// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Logging
import MedRuntime
import MedServer
import MedTelemetry

/// The settings of a command: `--config FILE` and an option for every setting that is not a secret.
///
/// They are declared once, in the table of settings, and not a second time as properties of each command.
struct SettingsArguments: ParsableArguments {
    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp(
            "--config FILE, and --KEY VALUE for any setting but a secret, such as --port 8080.",
            valueName: "settings"
        )
    )
    var arguments: [String] = []

    /// Reads all settings. Mistakes go to standard error, and the command ends with 64 or 78.
    func load(for command: any ParsableCommand.Type) throws -> Settings {
        if self.arguments.contains("--help") || self.arguments.contains("-h") { throw CleanExit.helpRequest(command) }
        if self.arguments.contains("--version") { throw CleanExit.message(Version.current) }
        let options: SettingsOptions
        do throws(OptionError) {
            options = try SettingsOptions(parsing: self.arguments)
        } catch {
            throw Complaint.exit(error.description, code: MedRuntime.ExitCode.usage)
        }
        do throws(SettingsError) {
            return try Settings.load(environment: ProcessInfo.processInfo.environment, options: options)
        } catch {
            throw Complaint.exit(error.mistakes.joined(separator: "\n"), code: MedRuntime.ExitCode.configuration)
        }
    }
}

extension SettingsArguments {
    /// Reads the settings again, for the levels of the log alone: the others hold until the next start.
    func reloadLevels(_ levels: LogLevels, logger: Logger) {
        guard let options = try? SettingsOptions(parsing: self.arguments) else { return }
        do throws(SettingsError) {
            let settings = try Settings.load(environment: ProcessInfo.processInfo.environment, options: options)
            levels.set(settings.log.levels)
        } catch {
            logger.error(
                "Settings not read again", metadata: ["error.message": "\(error.mistakes.joined(separator: " "))"])
        }
    }
}

/// Plain sentences on standard error.
enum Complaint {
    static func write(_ text: String) {
        // Nobody may be listening; the exit code still says it.
        try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
    }

    /// Says it, and gives what to throw to end the command with that code.
    static func exit(_ text: String, code: Int32) -> ArgumentParser.ExitCode {
        self.write(text)
        return ArgumentParser.ExitCode(code)
    }
}
