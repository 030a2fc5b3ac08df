// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MedRuntime

@main
struct Main {
    static func main() async {
        _ = Self.signals
        do {
            var command = try MedBuilder.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Self.end(MedRuntime.ExitCode.graceful)
        } catch {
            let code = MedBuilder.exitCode(for: error)
            let message = MedBuilder.fullMessage(for: error)
            if !message.isEmpty {
                if code.isSuccess { print(message) } else { Complaint.write(message) }
            }
            Self.end(code.rawValue)
        }
    }

    /// Ends the process without `exit`, whose clean-up would take libcrypto away from threads that are still connecting: they crash.
    private static func end(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }

    /// Caught before anything else is done; a command decides what becomes of them.
    static let signals = SignalListener()
}

/// The command line of MedBuilder.
struct MedBuilder: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "medbuilder",
        abstract: "A production-grade server for health-care back ends.",
        discussion: """
            Every setting is an environment variable, a key of the file that --config names, or an option; the last one \
            wins. `medbuilder config` lists them all with the values in force.

            EXIT CODES
              0   stopped gracefully: everything that was accepted was finished
              1   the shutdown's deadline passed, or a probe failed
              2   a second signal asked not to wait
              64  the command line could not be understood
              69  the port is taken, or a command needs a service that is unavailable
              70  a fatal error was contained and the shutdown ran
              78  the settings are wrong
            """,
        version: Version.current,
        subcommands: [Serve.self, Migrate.self, Config.self, Probe.self] + Self.drill
    )

    #if Drill
        private static let drill: [any ParsableCommand.Type] = [DrillCommand.self]
    #else
        private static let drill: [any ParsableCommand.Type] = []
    #endif
}
