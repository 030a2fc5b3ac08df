// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Asks a program of `Tests/Referees`, which reads what we write with somebody else's code, and gives what it printed; that it found
/// something is an error, with what it found. `make test` has installed what the programs need.
package func askReferee(_ name: String, _ arguments: String...) async throws -> String {
    try await askReferee(name, arguments)
}

/// The same, with arguments that come from elsewhere.
package func askReferee(_ name: String, _ arguments: [String]) async throws -> String {
    let process = try ChildProcess(
        "python3",
        ["-B", Project.file("Tests/Referees/\(name).py").path] + arguments,
        environment: [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "PYTHONPATH": Project.file(".build-python").path,
            // What is beyond ASCII, whatever the locale of the machine.
            "PYTHONUTF8": "1",
        ],
        folder: URL(filePath: "/"),
        // Whoever waits for it gives up first, with a sentence.
        lifetime: TestPatience.processSeconds + TestPatience.seconds
    )
    let exit = try await process.waitForExit(within: TestPatience.processSeconds)
    try await process.waitForOutput()
    guard exit == .code(0) else {
        throw HarnessError(.system, "Referee \(name) ended with \(exit): \(process.errorText.suffix(2000))")
    }
    return process.outputText
}
