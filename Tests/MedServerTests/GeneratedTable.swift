// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// A table that is made from the code and stands in documents between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
///
/// After a change of the code, `MED_UPDATE_DOCS=1 swift test --filter DocumentationTests` writes them anew.
struct GeneratedTable {
    let name: String
    let text: String

    private var begin: String { "<!-- \(self.name):begin -->" }
    private var end: String { "<!-- \(self.name):end -->" }

    /// Fails if the table is out of date in one of the documents, or in none.
    func verify() throws {
        let documents = try self.documents()
        #expect(!documents.isEmpty, "No document has the table of \(self.name).")
        for document in documents {
            let text = try String(contentsOf: document, encoding: .utf8)
            let begin = try #require(text.range(of: self.begin))
            let end = try #require(text.range(of: self.end, range: begin.upperBound..<text.endIndex))
            let fresh = "\n\n" + self.text + "\n\n"
            if ProcessInfo.processInfo.environment["MED_UPDATE_DOCS"] == "1" {
                let updated = text[..<begin.upperBound] + fresh + text[end.lowerBound...]
                try Data(updated.utf8).write(to: document)
            } else {
                let isCurrent = text[begin.upperBound..<end.lowerBound] == fresh
                #expect(isCurrent, "\(document.lastPathComponent) is out of date: run this test with MED_UPDATE_DOCS=1")
            }
        }
    }

    /// The README and the pages below `docs` that have it.
    private func documents() throws -> [URL] {
        let docs = Project.file("docs")
        let pages = FileManager.default.enumerator(atPath: docs.path)?.compactMap { $0 as? String } ?? []
        let all = [Project.file("README.md")] + pages.sorted().map(docs.appendingPathComponent)
        return try all.filter { page in
            try page.pathExtension == "md" && String(contentsOf: page, encoding: .utf8).contains(self.begin)
        }
    }
}
