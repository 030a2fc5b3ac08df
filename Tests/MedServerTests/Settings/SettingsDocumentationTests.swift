// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedServer
import Testing

/// The tables of settings in the documents are made from the code.
///
/// After a change of the settings, `MED_UPDATE_DOCS=1 swift test --filter SettingsDocumentationTests` writes them anew.
@Suite struct SettingsDocumentationTests {
    private static let begin = "<!-- settings:begin -->"
    private static let end = "<!-- settings:end -->"

    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The README, and each page below `docs` that has a table of settings.
    private static func documents() throws -> [URL] {
        let docs = Self.root.appendingPathComponent("docs")
        let pages = FileManager.default.enumerator(atPath: docs.path)?.compactMap { $0 as? String } ?? []
        let withTable = try pages.filter { $0.hasSuffix(".md") }.sorted().map(docs.appendingPathComponent).filter {
            page in
            try String(contentsOf: page, encoding: .utf8).contains(Self.begin)
        }
        return [Self.root.appendingPathComponent("README.md")] + withTable
    }

    @Test func `the table of settings in the documents is that of the code`() throws {
        for document in try Self.documents() {
            let text = try String(contentsOf: document, encoding: .utf8)
            let begin = try #require(
                text.range(of: Self.begin), "\(document.lastPathComponent) has no table of settings")
            let end = try #require(text.range(of: Self.end, range: begin.upperBound..<text.endIndex))
            let fresh = "\n\n" + SettingsDocumentation.markdownTable() + "\n\n"
            if ProcessInfo.processInfo.environment["MED_UPDATE_DOCS"] == "1" {
                let updated = text[..<begin.upperBound] + fresh + text[end.lowerBound...]
                try Data(updated.utf8).write(to: document)
            } else {
                let isCurrent = text[begin.upperBound..<end.lowerBound] == fresh
                #expect(isCurrent, "\(document.lastPathComponent) is out of date: run this test with MED_UPDATE_DOCS=1")
            }
        }
    }

    @Test func `the table has a row of as many cells for each setting, and no secret as an option`() {
        let lines = SettingsDocumentation.markdownTable().split(separator: "\n")
        #expect(lines.count == Setting.all.count + 2)
        #expect(lines.allSatisfy { $0.count { $0 == "|" } == 7 })
        #expect(!lines.contains { $0.contains("--phi-encryption-key") || $0.contains("--database-url") })
    }
}
