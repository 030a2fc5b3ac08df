// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder of a test's own, gone when the test is over.
struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        self.path = NSTemporaryDirectory() + "medprivacy-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: self.path)
    }
}
