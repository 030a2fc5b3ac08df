// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MedRuntime
import MedServer

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print every setting: key, environment name, value in force, origin, default, meaning.",
        discussion: "Secrets are never printed, only whether they are set."
    )

    @OptionGroup var settings: SettingsArguments

    func run() throws {
        Main.signals.release()
        print(try self.settings.load(for: Self.self).table(), terminator: "")
    }
}
