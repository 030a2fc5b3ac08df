// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Runs a tool of the system to its end, `seconds` at most, and gives what it printed; a failure of the tool is an error.
@discardableResult
package func runTool(
    _ name: String, _ arguments: [String], within seconds: Double = TestPatience.processSeconds
) async throws -> String {
    let process = try ChildProcess(
        name,
        arguments,
        environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        folder: URL(filePath: "/"),
        // Whoever waits for it gives up first, with a sentence.
        lifetime: seconds + TestPatience.seconds
    )
    let exit = try await process.waitForExit(within: seconds)
    try await process.waitForOutput()
    guard exit == .code(0) else {
        throw HarnessError(
            .system, "\(name) \(arguments.joined(separator: " ")) ended with \(exit): \(process.errorText)")
    }
    return process.outputText
}
