// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// The files of the project that the tests look at.
enum Project {
    /// The folder with `Package.swift`.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// A file of the project.
    static func file(_ path: String) -> URL { Self.root.appending(path: path) }
}

/// Runs a program to its end, whatever end that is.
func finish(
    _ program: String, _ arguments: String..., environment: [String: String] = [:], in folder: URL? = nil
) async throws -> Finished {
    let base = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    let process = try ChildProcess(
        program, arguments, environment: base.merging(environment) { $1 }, folder: folder ?? testFolder())
    try #require(EndToEnd.current).add(process)
    let exit = try await process.waitForExit()
    try await process.waitForOutput()
    return Finished(exit: exit, output: process.outputText, errors: process.errorText)
}
