// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// The files of the project that the tests look at.
package enum Project {
    /// The folder with `Package.swift`.
    package static let root = URL(filePath: #filePath).appending(path: "../../../..").standardizedFileURL

    /// A file of the project.
    package static func file(_ path: String) -> URL { self.root.appending(path: path) }

    /// What is in a file of the project.
    package static func text(_ path: String) throws -> String {
        try String(contentsOf: self.file(path), encoding: .utf8)
    }
}
