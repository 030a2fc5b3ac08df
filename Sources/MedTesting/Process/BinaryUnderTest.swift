// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where the real `medbuilder` is.
package enum BinaryUnderTest {
    /// `MED_BINARY`, or else the binary that was built next to the running tests.
    package static let path: String = {
        if let named = ProcessInfo.processInfo.environment["MED_BINARY"] { return named }
        let tests = Bundle.main.executableURL ?? URL(filePath: CommandLine.arguments[0])
        return tests.deletingLastPathComponent().appending(path: "medbuilder").path
    }()
}
