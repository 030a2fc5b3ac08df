// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedServer

/// What the tests of the settings have in common.
enum SettingsFixture {
    /// Base64 of the bytes 0 to 31.
    static let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    /// What staging and production demand.
    static func deployed(_ environment: String, _ more: [String: String] = [:]) -> [String: String] {
        let demanded = [
            "APP_ENV": environment, "DATABASE_URL": "sqlite:/data/app.sqlite", "PHI_ENCRYPTION_KEY": Self.key,
        ]
        return demanded.merging(more) { $1 }
    }

    static func load(
        _ environment: [String: String] = [:],
        file: String? = nil,
        named name: String = "settings.yaml",
        arguments: [String] = []
    ) throws -> Settings {
        guard let file else {
            return try Settings.load(environment: environment, options: SettingsOptions(parsing: arguments))
        }
        return try Self.withFolder { folder in
            let path = folder + "/" + name
            try Data(file.utf8).write(to: URL(fileURLWithPath: path))
            do {
                return try Self.load(environment, arguments: ["--config", path] + arguments)
            } catch let error as SettingsError {
                throw Mistakes(sentences: error.mistakes.map { $0.replacing(folder + "/", with: "") })
            }
        }
    }

    /// The sentences that loading fails with, the file without its folder; none if it does not fail.
    static func mistakes(
        _ environment: [String: String] = [:],
        file: String? = nil,
        named name: String = "settings.yaml",
        arguments: [String] = []
    ) throws -> [String] {
        do {
            _ = try Self.load(environment, file: file, named: name, arguments: arguments)
            return []
        } catch let error as SettingsError {
            return error.mistakes
        } catch let error as Mistakes {
            return error.sentences
        }
    }

    private struct Mistakes: Error {
        let sentences: [String]
    }

    static func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("settings-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.path)
    }
}
